// How the job is doing: one line, a bar, and, for readers of the screen, only what is worth saying aloud.
const line = element.querySelector('.line'), bar = element.querySelector('.bar');
const alarm = element.querySelector('.alarm'), spoken = element.querySelector('.spoken');

function paint() {
  const status = props.runtime || {};
  setText(line, status.line || '');
  setText(spoken, status.spoken || '');
  setText(alarm, status.error || '');
  alarm.hidden = !status.error;
  line.hidden = !status.line;
  bar.hidden = status.share == null;
  bar.value = status.share || 0;
  element.querySelector('.status').dataset.state = status.state || '';
}
watch('runtime', paint);
paint();
