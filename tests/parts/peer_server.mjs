// An MCP server on the official TypeScript SDK v2 that speaks 2026-07-28 and nothing else.
// usage: node peer_server.mjs PORT
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.cwd()}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const { McpServer, acceptedContent, createMcpHandler, inputRequired } = await load('@modelcontextprotocol/server');
const { z } = await load('zod');

const NOTE = 'note://today';
const said = (text) => ({ content: [{ type: 'text', text }] });
let waited = 'never called'; // how the last call of `wait` went

// Runs until the client gives up.
function wait(_, { mcpReq }) {
  waited = 'runs';
  return new Promise((resolve) => {
    const done = setTimeout(() => resolve(said('nobody gave up')), 30_000);
    mcpReq.signal.addEventListener('abort', () => {
      clearTimeout(done);
      waited = 'given up';
      resolve(said('given up'));
    });
    progress(mcpReq, 1);
  });
}

const progress = (mcpReq, number, total) => mcpReq.notify({
  method: 'notifications/progress',
  params: { progressToken: mcpReq._meta.progressToken, progress: number, total },
});

async function count(_, { mcpReq }) {
  if (mcpReq._meta?.progressToken !== undefined) {
    for (const number of [1, 2, 3]) await progress(mcpReq, number, 3);
  }
  await mcpReq.log('info', 'counted');
  return said('three');
}

function ask(_, { mcpReq }) {
  const schema = z.object({ colour: z.string() });
  const answer = acceptedContent(mcpReq.inputResponses, 'colour', schema);
  if (answer) return said(`the colour is ${answer.colour}`);
  const colour = inputRequired.elicit({ message: 'Which colour?', requestedSchema: schema });
  return inputRequired({ inputRequests: { colour } });
}

function imagine(_, { mcpReq }) {
  const answer = mcpReq.inputResponses?.town;
  if (answer) return said(`the model says ${answer.content.text}`);
  const messages = [{ role: 'user', content: { type: 'text', text: 'Which town?' } }];
  const town = inputRequired.createMessage({ messages, maxTokens: 5 });
  return inputRequired({ inputRequests: { town } });
}

function add({ a, b }) {
  const structuredContent = { sum: a + b };
  return { ...said(JSON.stringify(structuredContent)), structuredContent };
}

const none = z.object({});
const TOOLS = {
  echo: [{ inputSchema: z.object({ text: z.string() }) }, ({ text }) => said(`echo ${text}`)],
  secret: [{ inputSchema: none }, () => said('never to be seen')],
  add: [
    { inputSchema: z.object({ a: z.number(), b: z.number() }), outputSchema: z.object({ sum: z.number() }) },
    add,
  ],
  ask: [{ inputSchema: none }, ask],
  imagine: [{ inputSchema: none }, imagine],
  count: [{ inputSchema: none }, count],
  touch: [{ inputSchema: none }, () => { handler.notify.resourceUpdated(NOTE); return said('touched'); }],
  grow: [{ inputSchema: none }, () => { handler.notify.toolsChanged(); return said('grown'); }],
  wait: [{ inputSchema: none }, wait],
  waited: [{ inputSchema: none }, () => said(waited)],
};

function server() {
  const capabilities = { logging: {}, tools: { listChanged: true }, resources: { subscribe: true } };
  const made = new McpServer({ name: 'typescript-2', version: '1' }, { capabilities });
  for (const [name, [about, run]] of Object.entries(TOOLS)) made.registerTool(name, about, run);
  made.registerResource('note', NOTE, {}, () => ({ contents: [{ uri: NOTE, text: 'a note' }] }));
  made.registerPrompt('greet', { argsSchema: z.object({ name: z.string() }) }, ({ name }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: `greet ${name}` } }],
  }));
  return made;
}

const handler = createMcpHandler(server, { legacy: 'reject' });

async function body(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function answer(request, response) {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const reply = await handler.fetch(new Request(`http://127.0.0.1${request.url}`, {
    method: request.method, headers: request.headers, signal: gone.signal,
    body: request.method === 'POST' ? await body(request) : undefined,
  }));
  response.writeHead(reply.status, Object.fromEntries(reply.headers));
  response.flushHeaders();
  if (reply.body) for await (const piece of reply.body) response.write(piece);
  response.end();
}

createServer((request, response) => answer(request, response).catch(() => response.destroy()))
  .listen(Number(process.argv[2]), '127.0.0.1');
