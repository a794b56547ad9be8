// Starts oidc-provider, an OpenID provider that Ostiary did not write, on loopback.
// usage: node oidc_provider.mjs '{"port", "clients", "accounts", "claimsInIdToken", "readyFile"}'
// `accounts` maps a login name to its claims; any password is taken.
import { createRequire } from 'node:module';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const { port, clients, accounts, claimsInIdToken, readyFile } = JSON.parse(process.argv[2]);
const require = createRequire(`${process.cwd()}/`);
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')).href);

const key = (type, options, alg) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), alg, use: 'sig',
});

const server = createServer();
await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients,
  claims: {
    openid: ['sub'],
    email: ['email', 'email_verified'],
    profile: ['name', 'preferred_username'],
    groups: ['groups', 'roles'],
  },
  scopes: ['openid', 'offline_access', 'email', 'profile', 'groups'],
  conformIdTokenClaims: !claimsInIdToken,
  cookies: { keys: [randomBytes(16).toString('hex')] },
  jwks: { keys: [key('rsa', { modulusLength: 2048 }, 'RS256'), key('ec', { namedCurve: 'P-256' }, 'ES256')] },
  findAccount: (_context, id) => accounts[id] && {
    accountId: id, claims: () => ({ sub: id, ...accounts[id] }),
  },
  ttl: { Interaction: 600, Session: 3600, Grant: 3600, AccessToken: 600, IdToken: 600 },
});
server.on('request', provider.callback());
writeFileSync(`${readyFile}.draft`, JSON.stringify({ issuer, pid: process.pid }));
renameSync(`${readyFile}.draft`, readyFile);
