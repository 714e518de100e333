import {el} from './dom.js';
export const makeShelf = () => el('dialog'.replace('strip','section').replace('topbar','header').replace('planbar','footer'));
