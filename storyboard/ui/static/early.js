// The board before Gradio has started, in the page that storyboard/ui/early.py lays out. `mount` of main.js takes it
// over, with all that was done to it meanwhile.

import {begin} from './main.js';

const FUNCTIONS = new URL('gradio_api/component_server/', document.baseURI);
const root = document.querySelector('.tl.early');
const board = window.gradio_config?.components?.find(({props}) => props.elem_id === 'application');

// As Gradio's `server.call`, when there is one.
async function call(data) {
  const body = JSON.stringify({session_hash: 'early', component_id: board.id, fn_name: 'call', data});
  const answer = await fetch(FUNCTIONS, {method: 'POST', headers: {'Content-Type': 'application/json'}, body});
  if (!answer.ok) throw new Error(answer.statusText);
  return answer.json();
}

if (root && board) {
  const theme = new URLSearchParams(location.search).get('__theme');
  const dark = theme === 'dark' || (theme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.body.classList.toggle('dark', dark);
  begin(root, {call}, board.props.served);
} else root?.remove();
