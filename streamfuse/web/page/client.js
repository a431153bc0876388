// Requests to the run; a session that has ended leads back to the form that asks for the token.

export class Refused extends Error {}

async function answer(path, options) {
  const response = await fetch(path, { cache: "no-store", ...options });
  if (response.status === 401) location.reload();
  return response;
}

export async function getJson(path, signal) {
  const response = await answer(path, { signal });
  if (!response.ok) throw new Refused(`${path}: ${response.status}`);
  return response.json();
}

export async function post(path, values) {
  const options = { method: "POST" };
  if (values !== undefined) {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(values);
  }
  const response = await answer(path, options);
  const said = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(said.error || `streamfuse answered ${response.status}.`);
  return said;
}

// {number, bitmap} of the next picture of a view after a number, or null if none came in time.
export async function nextPicture(view, after, signal) {
  const response = await answer(`/picture.jpg?view=${view}&after=${after}`, { signal });
  if (response.status === 204) return null;
  if (!response.ok) throw new Refused(`picture: ${response.status}`);
  const number = Number(response.headers.get("X-Picture-Number"));
  return { number, bitmap: await createImageBitmap(await response.blob()) };
}

export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

// Resolves once the page can be seen: what nobody sees need not be asked for.
export function visible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((done) => {
    document.addEventListener("visibilitychange", function changed() {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", changed);
      done();
    });
  });
}
