// How a view looks, besides what it shows: nothing sticks out, what is touched is large enough, and what axe-core
// (https://github.com/dequelabs/axe-core) has against it.
const fs = require('fs');

const AXE = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const LOOKS = [['light', 'light', 1440, 900], ['dark', 'dark', 1440, 900], ['narrow', 'light', 390, 844], ['narrow-dark', 'dark', 390, 844]];

// What lies beyond the right or the left edge, unless it is in something small within them that scrolls: a view, a dialog and
// the bar do not, that way.
function sticking_out() {
  const wide = document.scrollingElement.clientWidth;
  const within = (box) => box.left >= -0.5 && box.right <= wide + 0.5;
  const cut = (one) => {
    for (let up = one.parentElement; up && !up.matches('body, main, dialog, nav.side'); up = up.parentElement) {
      if (getComputedStyle(up).overflowX !== 'visible' && within(up.getBoundingClientRect())) return true;
    }
    return false;
  };
  const name = (one) => `${one.tagName.toLowerCase()}.${one.getAttribute('class') ?? ''} ${one.textContent.trim().slice(0, 40)}`;
  const all = [...document.querySelectorAll('body *')].filter((one) => {
    const box = one.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && !within(box) && !cut(one);
  });
  const scrolled = [document.scrollingElement, ...document.querySelectorAll('main, dialog, nav.side')].filter((one) => one.scrollWidth > one.clientWidth);
  return [...scrolled.map((one) => `${one.tagName} scrolls to the side`), ...all.map(name)];
}

// WCAG 2.2, 2.5.8: what is touched is 24 by 24 pixels, or a circle of that size around its middle touches no other.
function too_small() {
  const shown = (one) => one.getClientRects().length > 0 && getComputedStyle(one).visibility === 'visible';
  const top = document.querySelector('dialog[open]') ?? document;
  const all = [...top.querySelectorAll('a[href], button, input, textarea, summary')].filter(shown)
    .map((one) => ({ one, box: (one.closest('label') ?? one).getBoundingClientRect() }));
  const middle = (box) => [box.left + box.width / 2, box.top + box.height / 2];
  // How far the middle of one is from the nearest of another.
  const away = ([x, y], box) => Math.hypot(Math.max(box.left - x, 0, x - box.right), Math.max(box.top - y, 0, y - box.bottom));
  const small = all.filter(({ one, box }) => (box.width < 24 || box.height < 24)
    && all.some((other) => other.one !== one && away(middle(box), other.box) < 12));
  return small.map(({ one, box }) => `${one.tagName.toLowerCase()}.${one.getAttribute('class') ?? ''} ${one.textContent.trim().slice(0, 40)} ${box.width}x${box.height}`);
}

async function accused(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate(async () => (await axe.run(document, { resultTypes: ['violations'] })).violations);
  return found.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.map((node) => `${node.target} ${node.any[0]?.message ?? ''}`) }));
}

// A picture of each look of a view, and what is wrong with it.
exports.looks = async (page, folder, name) => {
  const told = {};
  for (const [kind, scheme, width, height] of LOOKS) {
    await page.setViewport({ width, height });
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    await new Promise((done) => setTimeout(done, 250));
    await page.screenshot({ path: `${folder}/${name}-${kind}.png` });
    told[kind] = { out: await page.evaluate(sticking_out), small: width < 500 ? await page.evaluate(too_small) : [], axe: await accused(page) };
  }
  await page.setViewport({ width: 1440, height: 900 });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'light' }]);
  return told;
};

// What is on the clipboard once the button of this name was pressed.
exports.copied = async (page, name) => {
  await page.bringToFront();
  const button = await page.evaluateHandle((name) => [...document.querySelectorAll('button')].find((one) => one.textContent === name), name);
  await button.click();
  await page.waitForFunction((button) => button.textContent === 'copied', { timeout: 20000 }, button);
  return page.evaluate(() => navigator.clipboard.readText());
};
