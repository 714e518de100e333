// Shared by the panels' scripts: everything on the page is made here, text always as text.
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'text') node.textContent = value;
    else if (name === 'hidden') node.hidden = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}
const setText = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const setSource = (node, url) => { if ((node.getAttribute('src') || '') !== url) url ? node.setAttribute('src', url) : node.removeAttribute('src'); };
