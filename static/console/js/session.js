// What to do when the session has ended while a page was open: say so, and offer the way back.

/** How long a page waits for the server before it tries again. */
export const PATIENCE_MS = 10_000;

/** Ask the server whose session this browser has: a name, or null. Rejects when it is away. */
export async function whose() {
  const response = await fetch("/session", { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (response.status === 401) return null;
  if (!response.ok) throw new Error(`/session answered ${response.status}`);
  return (await response.json()).user;
}

/** Ask the server whether this browser still has the session of this page. Rejects as `whose`. */
export async function isLoggedIn() {
  return isOfThisPage(await whose());
}

/** Say whether the page was written for `user`: another one may have logged in beside it. */
export function isOfThisPage(user) {
  return user === document.body.dataset.user;
}

/** Show that nothing on this page will change any more until the visitor logs in again. */
export function showEnded() {
  const notice = document.querySelector("[data-session-ended]");
  const link = notice.querySelector("[data-session-link]");
  link.href = `${document.body.dataset.loginUrl}?next=${encodeURIComponent(location.pathname + location.search)}`;
  notice.hidden = false;
}
