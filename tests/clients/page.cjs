// Goes through every view of the page with a browser and tells, as JSON, what is shown and what the server says.
// Usage: page.cjs <browser> <address with token> <address of the shop> <folder for pictures>
const { execFileSync } = require('child_process');
const puppeteer = require('puppeteer-core');
const { copied, looks } = require('./looks.cjs');

const [browser_path, address, shop, folder] = process.argv.slice(2);
const origin = new URL(address).origin;

// Of the chart of durations: how large what is drawn in its colour is, in pixels, and how many there are of it.
function ink() {
  const chart = [...document.querySelectorAll('.chart')].find((one) => one.querySelector('h3').textContent.startsWith('Duration'));
  const canvas = chart.querySelector('canvas');
  const probe = document.createElement('canvas').getContext('2d');
  probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--accent');
  probe.fillRect(0, 0, 1, 1);
  const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const near = (at) => Math.abs(data[at] - red) + Math.abs(data[at + 1] - green) + Math.abs(data[at + 2] - blue) < 30 && data[at + 3] > 200;
  const all = [];
  for (let at = 0; at < data.length; at += 4) if (near(at)) all.push([(at / 4) % canvas.width, Math.floor(at / 4 / canvas.width)]);
  const span = (axis) => Math.max(...all.map((one) => one[axis])) - Math.min(...all.map((one) => one[axis])) + 1;
  return { pixels: all.length, width: all.length ? span(0) : 0, height: all.length ? span(1) : 0, scale: devicePixelRatio };
}

async function main() {
  const browser = await puppeteer.launch({ executablePath: browser_path, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
  try {
    const page = await browser.newPage();
    const complaints = [];
    page.on('console', (message) => ['error', 'warning', 'warn'].includes(message.type()) && complaints.push(message.text()));
    page.on('response', (response) => response.status() >= 400 && complaints.push(`${response.status()} ${response.url()}`));
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('requestfailed', (request) => request.failure()?.errorText !== 'net::ERR_ABORTED' && complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
    await page.evaluateOnNewDocument(() => addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`)));
    const wide = () => page.setViewport({ width: 1440, height: 900 });
    const ask = (path) => page.evaluate(async (path) => (await fetch(path)).json(), path);
    const texts = (selector) => page.$$eval(selector, (all) => all.map((one) => one.textContent.replace(/\s+/g, ' ').trim()));
    const see = async (path, ready) => {
      await page.goto(path.startsWith('http') ? path : origin + path, { waitUntil: 'domcontentloaded' });
      await page.waitForSelector(ready, { timeout: 20000 });
    };
    const told = { looks: {} };
    const pictures = async (name) => { told.looks[name] = await looks(page, folder, name); };
    await wide();
    const wire = await page.createCDPSession();
    await wire.send('Network.enable');
    let bytes = 0;
    wire.on('Network.loadingFinished', (event) => { bytes += event.encodedDataLength; });

    await see(address, '.home');
    // Everything that came over the wire for a browser that had nothing; how soon is told and asserted nowhere.
    told.first = { bytes, painted: await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime) };
    told.address = page.url();
    // A shop that just opened has few calls and fewer errors.
    await page.waitForFunction(() => {
      const has = (list, name) => [...document.querySelectorAll(`.look.${list} li`)].some((one) => name.test(one.textContent));
      return has('slow', /\/products/) && has('failing', /shop-(payments|orders)/);
    }, { timeout: 30000 }).catch((error) => { throw new Error(`${error.message} ${complaints.join()}`); });
    told.home = { text: await page.$eval('main', (main) => main.textContent), failing: await texts('.look.failing li'), slow: await texts('.look.slow li'),
      links: await page.$$eval('.look a', (all) => all.map((one) => one.getAttribute('href'))), overview: await ask('/api/overview') };
    await pictures('home');

    // Between two answers of the server there is what the page shows.
    // One whose route is not a matter of how many calls there were yet.
    const failing = told.home.links.find((link) => !/ord_|\d|%7B/.test(link)) ?? told.home.links[0];
    const question = `/api/endpoint${failing.slice(failing.indexOf('?'))}`;
    const before = await ask(question);
    await see(failing, '.lines .dim');
    const shown = await page.evaluate(() => {
      const title = [...document.querySelectorAll('h2')].find((one) => one.textContent === 'Statuses');
      const rows = [...title.nextElementSibling.children].filter((row) => /^(\d+|no response)$/.test(row.children[0].textContent));
      return rows.map((row) => [row.children[0].textContent, Number(row.children[2].textContent.replace(/\D/g, ''))]);
    });
    told.endpoint = { title: await page.$eval('h1', (title) => title.textContent), before: before.endpoint, shown, after: (await ask(question)).endpoint };
    await pictures('endpoint');

    await see('/endpoints', '.grid .body .row');
    told.endpoints = { shown: await texts('.grid .body .row .first'), sub: await texts('.sub'), asked: (await ask('/api/endpoints')).endpoints };
    await pictures('endpoints');

    const seen = `seen-by-the-test-${process.pid}`;
    await see('/live', '.call');
    await fetch(`${shop}/?q=${seen}`).then((answer) => answer.text());
    await page.waitForFunction((seen) => [...document.querySelectorAll('.call')].some((one) => one.textContent.includes(seen)), { timeout: 20000 }, seen);
    told.live = { seen, shown: (await texts('.call')).filter((one) => one.includes(seen)) };
    await pictures('live');
    await see(`/live?where=${encodeURIComponent('url.path == "/api/users/me"')}`, '.call');
    await page.click('.call');
    await page.waitForSelector('.detail .facts', { timeout: 20000 });
    await pictures('call');

    // Called once: of its time lines, what is no line is a dot.
    const once = `/endpoint?service=shop-gateway&method=GET&route=${encodeURIComponent('/')}`;
    await see(once, '.chart canvas');
    told.once = { calls: (await ask(`/api${once}`)).endpoint.now.requests, ink: await page.evaluate(ink) };
    await pictures('once');

    await browser.defaultBrowserContext().overridePermissions(origin, ['clipboard-read', 'clipboard-sanitized-write']);
    await see(`/endpoint?service=shop-gateway&method=GET&route=${encodeURIComponent('/api/products/{productId}')}`, '.acts');
    await page.waitForSelector('.calls .call', { timeout: 20000 });
    told.copied = { curl: await copied(page, 'copy as curl'), openapi: await copied(page, 'copy as OpenAPI') };
    told.copied.said = execFileSync('sh', ['-c', `${told.copied.curl} --silent --show-error --max-time 10 --write-out '\n%{http_code}'`], { encoding: 'utf8' });

    // What the gateway's calls make: asked twice, since between there is what the page shows.
    const linked = `service=shop-gateway&way=inbound&protocol=http&method=GET&route=${encodeURIComponent('/api/products/{productId}')}`;
    const links_before = (await ask(`/api/links?${linked}`)).links;
    await see(`/endpoint?${linked}`, '.links > div');
    told.links = { before: links_before, shown: await texts('.links > div'), titles: await texts('h2'), after: (await ask(`/api/links?${linked}`)).links };

    await see('/map', '.map .node');
    told.map = { nodes: await texts('.map .node text'), edges: await texts('.map .edge title'), asked: (await ask('/api/map')).map };
    await pictures('map');

    await see('/changes', '.changes li');
    told.changes = { shown: (await texts('.changes li .endpoint')).length, asked: (await ask('/api/changes')).changes.length };
    await pictures('changes');

    await see('/health', '.facts');
    told.health = { text: await page.$eval('main', (main) => main.textContent), asked: await ask('/api/health') };
    await pictures('health');

    await see('/endpoint?service=nobody&method=GET&route=%2Fnowhere', '.empty');
    told.unknown = (await texts('.empty'))[0];
    await pictures('unknown');

    await see('/', '.home');
    await page.keyboard.press('?');
    await page.waitForSelector('dialog[open]');
    await pictures('keys');
    told.complaints = complaints;
    console.log(JSON.stringify(told));
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
