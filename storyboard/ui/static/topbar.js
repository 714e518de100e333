import {el} from './dom.js';
export const makeTopbar = () => el('topbar'.replace('strip','section').replace('topbar','header').replace('planbar','footer'));
