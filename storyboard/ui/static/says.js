// A line of plain text: see components/words.py.

import {setAttr, setHidden, setMarked} from './dom.js';

export function mount({element, props, watch}) {
  const line = element.querySelector('.words-line'),
    paint = () => {
      setMarked(line, props.value || '');
      setHidden(line, !props.value);
      setAttr(line, 'data-kind', props.kind || null);
    };
  watch(['value', 'kind'], paint);
  paint();
}
