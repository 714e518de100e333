// Gradio's login page says nothing when it is told to wait (429): this says for how long, until the next answer.

const note = document.createElement('p');
note.setAttribute('role', 'alert');
note.hidden = true;
note.style.cssText =
  'position:fixed;top:1rem;left:50%;transform:translateX(-50%);z-index:10;margin:0;padding:.6rem 1rem;' +
  'border-radius:.5rem;background:#8a1c1c;color:#fff;font:1rem/1.4 system-ui,sans-serif';
document.body.append(note);

const isLogin = asked => new URL(asked?.url ?? asked, document.baseURI).pathname.endsWith('/login');
const send = window.fetch;

window.fetch = async (...asked) => {
  const answer = await send(...asked);
  if (isLogin(asked[0])) {
    note.textContent = answer.status === 429 ? (await answer.clone().json()).detail : '';
    note.hidden = !note.textContent;
  }
  return answer;
};
