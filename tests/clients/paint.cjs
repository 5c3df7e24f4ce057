// How soon the page is there, how much travels, and how soon a call that has ended is in its number.
// Usage: paint.cjs <browser> <address with token> <address of a server> <service> <rounds>
const http = require('node:http');
const puppeteer = require('puppeteer-core');

const [browser_path, address, server, service, rounds] = process.argv.slice(2);
const MARK = '/marker';
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// One call on a connection of its own; over with the last byte of its answer.
const call = () => new Promise((done, failed) => {
  http.get(server + MARK, { agent: false }, (answer) => answer.resume().on('end', () => done(performance.now()))).on('error', failed);
});

async function main() {
  const browser = await puppeteer.launch({ executablePath: browser_path, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
  try {
    await call();
    const page = await browser.newPage();
    await page.setViewport({ width: 1440, height: 900 });
    const wire = await page.createCDPSession();
    await wire.send('Network.enable');
    let bytes = 0;
    wire.on('Network.loadingFinished', (event) => { bytes += event.encodedDataLength; });
    await page.goto(address, { waitUntil: 'domcontentloaded' });
    await page.waitForSelector('.home');
    const painted = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
    const answered = await page.evaluate(() => performance.now());
    const first = bytes;
    const query = new URLSearchParams({ service, method: 'GET', route: MARK });
    // What was called once is an endpoint as soon as its route is written.
    for (let tries = 0; tries < 60; tries += 1) {
      await page.goto(new URL(`/endpoint?${query}`, address).href, { waitUntil: 'domcontentloaded' });
      if (await page.waitForSelector('.lines', { timeout: 1000 }).catch(() => null)) break;
      await call();
    }
    const shown = () => {
      const title = [...document.querySelectorAll('h2')].find((one) => one.textContent === 'Statuses');
      const row = [...(title?.nextElementSibling.children ?? [])].find((one) => one.children[0].textContent === '200');
      return row ? Number(row.children[2].textContent.replace(/\D/g, '')) : 0;
    };
    const lags = [];
    for (let n = 0; n < Number(rounds); n += 1) {
      // At any moment of the second in which counts are written, and of the page's own rhythm.
      await sleep(2500 + Math.random() * 1500);
      const before = await page.evaluate(shown);
      const ended = await call();
      await page.waitForFunction(`(${shown})() > ${before}`, { polling: 20, timeout: 30000 });
      lags.push(performance.now() - ended);
    }
    console.log(JSON.stringify({ painted, answered, transfer: first, lags }));
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
