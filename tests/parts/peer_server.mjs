// An MCP server on the official TypeScript SDK v2 that speaks 2026-07-28 and nothing else.
// usage: node peer_server.mjs PORT
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.cwd()}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const { McpServer, acceptedContent, createMcpHandler, inputRequired } = await load('@modelcontextprotocol/server');
const { z } = await load('zod');

const said = (text) => ({ content: [{ type: 'text', text }] });

function server() {
  const made = new McpServer({ name: 'typescript-2', version: '1' });
  made.registerTool('echo', { inputSchema: z.object({ text: z.string() }) }, ({ text }) => said(`echo ${text}`));
  made.registerTool('secret', { inputSchema: z.object({}) }, () => said('never to be seen'));
  made.registerTool('ask', { inputSchema: z.object({}) }, (_, context) => {
    const schema = z.object({ colour: z.string() });
    const answer = acceptedContent(context.mcpReq.inputResponses, 'colour', schema);
    if (answer) return said(`the colour is ${answer.colour}`);
    const asked = inputRequired.elicit({ message: 'Which colour?', requestedSchema: schema });
    return inputRequired({ inputRequests: { colour: asked } });
  });
  made.registerResource('note', 'note://today', {}, () => ({
    contents: [{ uri: 'note://today', text: 'a note' }],
  }));
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

createServer(async (request, response) => {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const answer = await handler.fetch(new Request(`http://127.0.0.1${request.url}`, {
    method: request.method, headers: request.headers, signal: gone.signal,
    body: request.method === 'POST' ? await body(request) : undefined,
  }));
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  if (answer.body) for await (const piece of answer.body) response.write(piece);
  response.end();
}).listen(Number(process.argv[2]), '127.0.0.1');
