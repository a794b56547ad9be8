// An official TypeScript client, v1 or v2: logs in, then does what a plan says and prints what it saw.
// usage: node peer_client.mjs '{"sdk": 1|2, "mode": "auto"|"legacy", "url", "plan"}'
// Prints {"authorize": URL}, reads the address that the browser ended at, prints {"report": {...}}.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline/promises';
import { pathToFileURL } from 'node:url';

const asked = JSON.parse(process.argv[2]);
const require = createRequire(`${process.cwd()}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);

const RECEIVER = 'http://127.0.0.1:47113/callback';
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const kept = {};
const provider = {
  redirectUrl: RECEIVER,
  clientMetadata: {
    client_name: `TypeScript v${asked.sdk}`, redirect_uris: [RECEIVER],
    grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'none',
  },
  state: () => 'a-state',
  clientInformation: () => kept.client,
  saveClientInformation: (client) => { kept.client = client; },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { kept.tokens = tokens; },
  redirectToAuthorization: (url) => { kept.authorize = url.href; },
  saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
  codeVerifier: () => kept.verifier,
};

const info = { name: `typescript-${asked.sdk}`, version: '1' };
const capabilities = { elicitation: {} };

async function parts() {
  if (asked.sdk === 2) {
    const sdk = await load('@modelcontextprotocol/client');
    return {
      client: () => new sdk.Client(info, { capabilities, versionNegotiation: { mode: asked.mode } }),
      transport: () => new sdk.StreamableHTTPClientTransport(new URL(asked.url), { authProvider: provider }),
      ask: 'elicitation/create',
      land: (transport, landed) => transport.finishAuth(landed.searchParams),
    };
  }
  const { Client } = await load('@modelcontextprotocol/sdk/client/index.js');
  const { StreamableHTTPClientTransport } = await load('@modelcontextprotocol/sdk/client/streamableHttp.js');
  const { ElicitRequestSchema } = await load('@modelcontextprotocol/sdk/types.js');
  return {
    client: () => new Client(info, { capabilities }),
    transport: () => new StreamableHTTPClientTransport(new URL(asked.url), { authProvider: provider }),
    ask: ElicitRequestSchema,
    land: (transport, landed) => transport.finishAuth(landed.searchParams.get('code')),
  };
}

async function connected(sdk) {
  const start = () => {
    const client = sdk.client();
    client.setRequestHandler(sdk.ask, () => ({ action: 'accept', content: asked.plan.ask?.answer ?? {} }));
    return client;
  };
  const transport = sdk.transport();
  const client = start();
  try {
    await client.connect(transport);
    return { client, transport };
  } catch (error) {
    if (!kept.authorize) throw error;
  }
  say({ authorize: kept.authorize });
  const { value: landed } = await lines.next();
  await sdk.land(transport, new URL(landed));
  const again = { client: start(), transport: sdk.transport() };
  await again.client.connect(again.transport);
  return again;
}

const tried = async (what) => {
  try { return await what(); } catch (error) { return `error ${error.code}: ${error.message}`; }
};
const text = (result) => result.content.map((item) => item.text ?? item.type).join(' ');

const { client, transport } = await connected(await parts());
const plan = asked.plan;
const report = {
  version: client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion,
  tools: (await client.listTools()).tools.map((tool) => tool.name).sort(),
  call: await tried(async () => text(await client.callTool(plan.call))),
  resource: await tried(async () => (await client.readResource({ uri: plan.resource })).contents[0].text),
  prompt: await tried(async () => text({
    content: (await client.getPrompt(plan.prompt)).messages.map((message) => message.content),
  })),
  ask: plan.ask ? await tried(async () => text(await client.callTool(plan.ask.call))) : null,
  forbidden: await tried(async () => text(await client.callTool(plan.forbidden))),
};
say({ report });
await tried(() => client.close());
process.exit(0);
