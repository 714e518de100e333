import {el} from './dom.js';
export const makeStrip = () => el('strip'.replace('strip','section').replace('topbar','header').replace('planbar','footer'));
