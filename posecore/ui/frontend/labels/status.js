// Around the picture: whether all is saved, where one is, and what the next step would do.

/** @import { Editor } from "./editor.js" */

/** @param {Editor} editor */
export function showStatus(editor) {
  if (!editor.shown) return;
  const { data, sheet, buttons, parts } = editor;
  buttons.undo.disabled = !sheet.undone.length;
  buttons.redo.disabled = !sheet.redone.length;
  buttons.previous.disabled = !data.previous;
  buttons.copy.disabled = !data.before?.people.length;
  buttons.next.disabled = !data.next;
  parts.where.textContent = data.where;
  parts.where.title = data.where;
  showSaved(editor);
  showFinish(editor);
}

/** @param {Editor} editor */
function showSaved({ data, protocol, parts: { saved }, savedAt }) {
  const waiting = protocol.pending.length > 0;
  const failed = waiting && data.trouble !== null && protocol.answered === protocol.attempt;
  saved.classList.toggle("bad", failed);
  saved.dataset.saved = String(!waiting);
  if (failed) saved.textContent = "Not saved";
  else if (waiting) saved.textContent = "Saving …";
  else saved.textContent = savedAt ? `Saved ${savedAt.toLocaleTimeString()}` : "";
}

/** @param {Editor} editor */
function showFinish({ data, sheet, buttons: { finish } }) {
  const proposals = sheet.people.some(({ proposed }) => proposed);
  const confirms = !sheet.done && proposals;
  finish.textContent = finishInWords(sheet.done, sheet.people.length, proposals, data.open !== null);
  finish.title = confirms
    ? "What the model proposed is right now (Enter)"
    : "On to the next picture that is not done (Enter)";
  finish.disabled = sheet.done && !data.open;
  finish.classList.toggle("plain", finish.disabled);
}

/**
 * @param {boolean} done
 * @param {number} people
 * @param {boolean} proposals
 * @param {boolean} more Whether there is another picture that is not done.
 */
export function finishInWords(done, people, proposals, more) {
  if (done) return "Next unlabelled";
  const act = !people ? "No people" : proposals ? "Confirm all" : "Done";
  return more ? `${act} – next` : act;
}
