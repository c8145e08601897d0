// How one component asks another one to have the whole page run once more.

export const WAKE = "posecore-wake";

export function wakePage() {
  window.dispatchEvent(new Event(WAKE));
}
