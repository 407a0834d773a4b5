// A certified OpenID provider with one client, for tests.  Arguments: port, redirect address.
import { createHash, randomBytes } from "node:crypto";
import Provider from "oidc-provider";

const [port, redirect] = process.argv.slice(2);
const issuer = `http://localhost:${port}`;
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "anchor",
      client_secret: process.env.CLIENT_SECRET,
      redirect_uris: [redirect],
      grant_types: ["authorization_code"],
      response_types: ["code"],
    },
  ],
  cookies: { keys: [randomBytes(32).toString("hex")] },
  pkce: { required: () => true },
  claims: { openid: ["sub"], profile: ["name"], email: ["email", "email_verified"] },
  conformIdTokenClaims: false,
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({
      sub: createHash("sha256").update(id).digest("hex"),
      name: id,
      email: `${id}@example.org`,
      email_verified: false,
    }),
  }),
});
provider.listen(Number(port), "localhost", () => console.log("listening"));
