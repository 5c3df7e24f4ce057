// Says on the page what somebody knows of an endpoint: looks at the proposal, saves it, and tells what was shown.
// Usage: edit.cjs <browser> <address with token> <path of the endpoint> <new route> <owner> <folder for pictures>
const puppeteer = require('puppeteer-core');
const { copied, looks } = require('./looks.cjs');

const [browser_path, address, path, template, owner, folder] = process.argv.slice(2);

async function main() {
  const browser = await puppeteer.launch({ executablePath: browser_path, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
  try {
    const page = await browser.newPage();
    const complaints = [];
    page.on('console', (message) => ['error', 'warning', 'warn'].includes(message.type()) && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.setViewport({ width: 1440, height: 900 });
    await page.goto(address, { waitUntil: 'domcontentloaded' });
    await page.goto(new URL(path, address).href, { waitUntil: 'domcontentloaded' });
    await page.waitForSelector('h1 .route, h1', { timeout: 15000 });
    await page.waitForFunction(() => /say what you know/.test(document.body.textContent), { timeout: 15000 });
    await page.keyboard.press('o');
    await page.waitForSelector('dialog.edit input[name=template]');
    const texts = (selector) => page.$$eval(selector, (all) => all.map((one) => one.textContent.replace(/\s+/g, ' ').trim()));
    const told = { route: await page.$eval('dialog.edit input[name=template]', (input) => input.value) };
    await page.click('dialog.edit input[name=template]', { clickCount: 3 });
    await page.type('dialog.edit input[name=template]', template);
    await page.type('dialog.edit input[name=owner]', owner);
    await page.waitForFunction((owner) => [...document.querySelectorAll('.diff .added')].some((one) => one.textContent.includes(owner)), { timeout: 15000 }, owner);
    told.added = await texts('.diff[aria-label="Lines of the overlay"] .added');
    told.document = await texts('.diff[aria-label="Lines of the API document"] .added');
    told.moves = await texts('.moves li');
    told.looks = await looks(page, folder, 'edit');
    await browser.defaultBrowserContext().overridePermissions(new URL(address).origin, ['clipboard-read', 'clipboard-sanitized-write']);
    told.copied = await copied(page, 'copy the entry');
    await page.click('dialog.edit .button.first');
    await page.waitForSelector('.note.fine', { timeout: 15000 });
    told.saved = (await texts('.note.fine'))[0];
    await page.click('dialog.edit > .button');
    await page.waitForFunction((template) => document.querySelector('h1')?.textContent.includes(template), { timeout: 15000 }, template);
    await page.waitForFunction((owner) => document.querySelector('.sub')?.textContent.includes(owner), { timeout: 15000 }, owner);
    told.after = { address: page.url(), title: (await texts('h1'))[0] };
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
