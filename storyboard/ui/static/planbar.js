import {el} from './dom.js';
export const makePlanbar = () => el('planbar'.replace('strip','section').replace('topbar','header').replace('planbar','footer'));
