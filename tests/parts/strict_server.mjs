// A server on the TypeScript SDK v2 that refuses the legacy era; usage: … PORT.
// `rename` asks for a name and says that a resource changed; `add` says that the tools did.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const here = createRequire(`${process.cwd()}/`);
const { createMcpHandler, inputRequired, inputResponse, Server } = await import(
  pathToFileURL(here.resolve('@modelcontextprotocol/server'))
);

const NOTE = 'note://today';
const schema = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };
const plain = { type: 'object', properties: {} };
const said = (text) => ({ content: [{ type: 'text', text }] });
let note = 'nobody';

function server() {
  const capabilities = {
    tools: { listChanged: true },
    resources: { subscribe: true, listChanged: true },
  };
  const one = new Server({ name: 'strict', version: '1' }, { capabilities });
  one.setRequestHandler('tools/list', () => ({
    tools: [
      { name: 'rename', inputSchema: plain },
      { name: 'add', inputSchema: plain },
    ],
  }));
  one.setRequestHandler('resources/list', () => ({ resources: [{ name: 'note', uri: NOTE }] }));
  one.setRequestHandler('resources/read', () => ({ contents: [{ uri: NOTE, text: note }] }));
  one.setRequestHandler('tools/call', ({ params }, { mcpReq }) => {
    if (params.name === 'add') {
      handler.notify.toolsChanged();
      return said('added');
    }
    const answer = mcpReq.inputResponses?.who;
    if (answer === undefined) {
      const who = inputRequired.elicit({ message: 'Who?', requestedSchema: schema });
      return inputRequired({ inputRequests: { who }, requestState: 'asked' });
    }
    note = answer.action === 'accept' ? answer.content.name : answer.action;
    handler.notify.resourceUpdated(NOTE);
    return said(`it is ${note}'s`);
  });
  return one;
}

const handler = createMcpHandler(server, { legacy: 'reject' });

async function answer(request, response) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const { method, headers } = request;
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const body = method === 'POST' ? Buffer.concat(pieces) : undefined;
  const asked = new Request(`http://127.0.0.1${request.url}`, {
    method, headers, body, signal: gone.signal,
  });
  const reply = await handler.fetch(asked);
  response.writeHead(reply.status, Object.fromEntries(reply.headers));
  response.flushHeaders();
  for await (const piece of reply.body ?? []) response.write(piece);
  response.end();
}

createServer((request, response) => answer(request, response).catch(() => response.destroy()))
  .listen(Number(process.argv[2]), '127.0.0.1');
