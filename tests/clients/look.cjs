// Opens one view of the page and tells the text of it, once something is there.
// Usage: look.cjs <browser> <address with token> <path> <selector that is waited for>
const puppeteer = require('puppeteer-core');

const [browser_path, address, path, ready] = process.argv.slice(2);

async function main() {
  const browser = await puppeteer.launch({ executablePath: browser_path, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
  try {
    const page = await browser.newPage();
    await page.setViewport({ width: 1440, height: 900 });
    // The token is known to the browser from here on.
    await page.goto(address, { waitUntil: 'domcontentloaded' });
    await page.goto(new URL(path, address).href, { waitUntil: 'domcontentloaded' });
    await page.waitForSelector(ready, { timeout: 15000 });
    console.log(await page.$eval('main', (main) => main.textContent.replace(/\s+/g, ' ').trim()));
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
