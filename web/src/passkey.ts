/**
 * Passkeys on the pages of the account and of the sign-in: the browser is asked, the page's own form sends the answer.
 *
 * What the service says of an answer is a page, as after every form. So if it gives no challenge, the form is sent
 * without an answer, and the page says why.
 */

const form = document.getElementById("passkey") as HTMLFormElement | null;

if (form !== null) {
  const { challenge, kind } = form.dataset as { challenge: string; kind: "make" | "use" };
  const isAble = "PublicKeyCredential" in globalThis && "parseRequestOptionsFromJSON" in PublicKeyCredential;
  show(isAble ? "passkey" : "passkey-unable", true);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    show("passkey-failed", false);
    void answer(challenge, kind).then((credential) => send(form, credential), () => show("passkey-failed", true));
  });
}

/** Ask the service for a challenge and the browser for the answer; an empty one if there is no challenge. */
async function answer(challenge: string, kind: "make" | "use"): Promise<string> {
  const response = await fetch(challenge, { method: "POST" });
  if (response.headers.get("Content-Type") !== "application/json") {
    return "";
  }
  const options = await response.json() as PublicKeyCredentialCreationOptionsJSON & PublicKeyCredentialRequestOptionsJSON;
  const credential = kind === "make"
    ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
    : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
  return JSON.stringify((credential as PublicKeyCredential).toJSON());
}

function send(form: HTMLFormElement, credential: string): void {
  (form.elements.namedItem("credential") as HTMLInputElement).value = credential;
  form.submit();
}

function show(id: string, isShown: boolean): void {
  (document.getElementById(id) as HTMLElement).hidden = !isShown;
}
