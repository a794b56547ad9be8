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
const capabilities = { elicitation: {}, sampling: {} };
const TOWN = 'Paris'; // what the client's model says, whatever it is asked

async function parts() {
  if (asked.sdk === 2) {
    const sdk = await load('@modelcontextprotocol/client');
    return {
      client: () => new sdk.Client(info, { capabilities, versionNegotiation: { mode: asked.mode } }),
      transport: () => new sdk.StreamableHTTPClientTransport(new URL(asked.url), { authProvider: provider }),
      named: (method) => method,
      call: (client, call, options) => client.callTool(call, options),
      land: (transport, landed) => transport.finishAuth(landed.searchParams),
    };
  }
  const { Client } = await load('@modelcontextprotocol/sdk/client/index.js');
  const { StreamableHTTPClientTransport } = await load('@modelcontextprotocol/sdk/client/streamableHttp.js');
  const types = await load('@modelcontextprotocol/sdk/types.js');
  const schemas = {
    'elicitation/create': types.ElicitRequestSchema,
    'sampling/createMessage': types.CreateMessageRequestSchema,
    'notifications/message': types.LoggingMessageNotificationSchema,
    'notifications/resources/updated': types.ResourceUpdatedNotificationSchema,
    'notifications/tools/list_changed': types.ToolListChangedNotificationSchema,
  };
  return {
    client: () => new Client(info, { capabilities }),
    transport: () => new StreamableHTTPClientTransport(new URL(asked.url), { authProvider: provider }),
    named: (method) => schemas[method],
    call: (client, call, options) => client.callTool(call, undefined, options),
    land: (transport, landed) => transport.finishAuth(landed.searchParams.get('code')),
  };
}

const plan = asked.plan;
const heard = []; // what the server said by itself

function started(sdk) {
  const client = sdk.client();
  const answers = {
    'elicitation/create': { action: 'accept', content: plan.answer },
    'sampling/createMessage': { role: 'assistant', content: { type: 'text', text: TOWN }, model: 'm' },
  };
  for (const [method, answer] of Object.entries(answers)) {
    client.setRequestHandler(sdk.named(method), () => answer);
  }
  const tells = {
    'notifications/message': ({ data }) => `log ${JSON.stringify(data)}`,
    'notifications/resources/updated': ({ uri }) => `notifications/resources/updated ${uri}`,
    'notifications/tools/list_changed': () => 'notifications/tools/list_changed',
  };
  for (const [method, told] of Object.entries(tells)) {
    client.setNotificationHandler(sdk.named(method), ({ params }) => { heard.push(told(params)); });
  }
  return client;
}

async function connected(sdk) {
  const transport = sdk.transport();
  const client = started(sdk);
  try {
    await client.connect(transport);
    return { client, transport };
  } catch (error) {
    if (!kept.authorize) throw error;
  }
  say({ authorize: kept.authorize });
  const { value: landed } = await lines.next();
  await sdk.land(transport, new URL(landed));
  const again = { client: started(sdk), transport: sdk.transport() };
  await again.client.connect(again.transport);
  return again;
}

const patience = (work) => Promise.race([
  work, new Promise((_, reject) => { setTimeout(() => reject(new Error('nothing in 15 s')), 15_000).unref(); }),
]);
const tried = async (what) => {
  try { return await patience(what()); } catch (error) { return `error ${error.code}: ${error.message}`; }
};
const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });
const text = (result) => result.content.map((item) => item.text ?? item.type).join(' ');

const sdk = await parts();
const { client, transport } = await connected(sdk);
const modern = asked.sdk === 2 && asked.mode === 'auto';
const _meta = modern ? { 'io.modelcontextprotocol/logLevel': 'debug' } : undefined;
const call = ({ name, arguments: given = {} }, options) => (
  sdk.call(client, { name, arguments: given, _meta }, options)
);

// What a plan asks a client to do.
const DO = {
  text: async (one) => text(await call(one)),
  structured: async (one) => (await call(one)).structuredContent,
  read: async (what) => (await client.readResource(what)).contents[0].text,
  prompt: async (what) => text({
    content: (await client.getPrompt(what)).messages.map((message) => message.content),
  }),
  progress: async (one) => {
    const numbers = [];
    await call(one, { onprogress: ({ progress }) => numbers.push(progress) });
    return numbers;
  },
  // Calls until the server said something; its stream may not be open at the first call.
  hear: async ({ what, ...one }) => {
    for (;;) {
      await call(one);
      for (let times = 0; times < 10; times += 1) {
        if (heard.some((said) => said.includes(what))) return what;
        await pause(20);
      }
    }
  },
  // Gives up a call once it runs; returns how the server says that it went.
  cancel: async ({ then, ...one }) => {
    const gaveUp = new AbortController();
    const onprogress = () => gaveUp.abort('enough');
    await call(one, { onprogress, signal: gaveUp.signal }).catch(() => {});
    for (;;) {
      const went = text(await call({ name: then }));
      if (went !== 'runs') return went;
      await pause(50);
    }
  },
};

async function watch() {
  const resourceSubscriptions = plan.watch ? [plan.watch] : [];
  if (modern) await client.listen({ toolsListChanged: true, resourceSubscriptions });
  else if (plan.watch) await client.subscribeResource({ uri: plan.watch });
}

const report = {
  version: client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion,
  listed: (await client.listTools()).tools.map((tool) => tool.name).sort(),
};
if (!modern && client.getServerCapabilities().logging) await client.setLoggingLevel('debug');
await watch();
for (const [word, step] of Object.entries(plan.steps)) {
  report[word] = await tried(() => DO[step.do](step.with));
}
say({ report });
await tried(() => client.close());
process.exit(0);
