// What to do when the session has ended while a page was open: say so, and offer the way back.

/** How long a page waits for the server before it tries again. */
export const PATIENCE_MS = 10_000;

/** Ask the server whether this browser still has a session. Rejects when it cannot be reached. */
export async function isLoggedIn() {
  const response = await fetch("/session", { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (response.status === 401) return false;
  if (!response.ok) throw new Error(`/session answered ${response.status}`);
  return true;
}

/** Show that nothing on this page will change any more until the visitor logs in again. */
export function showEnded() {
  const notice = document.querySelector("[data-session-ended]");
  const here = location.pathname + location.search;
  const link = notice.querySelector("[data-session-link]");
  link.href = `${document.body.dataset.loginUrl}?next=${encodeURIComponent(here)}`;
  notice.hidden = false;
}
