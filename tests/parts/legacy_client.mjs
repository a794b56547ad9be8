// A legacy client on the TypeScript SDK v1; usage: … URL BEARER. Prints what it saw as JSON.
// It uses the same of the everything-server as legacy_client.py.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const here = createRequire(`${process.cwd()}/`);
const load = (path) => import(pathToFileURL(here.resolve(`@modelcontextprotocol/sdk/${path}`)));
const { Client } = await load('client/index.js');
const { StreamableHTTPClientTransport } = await load('client/streamableHttp.js');
const types = await load('types.js');

const [url, bearer] = process.argv.slice(2);
const capabilities = { sampling: {}, elicitation: {}, roots: {} };
const client = new Client({ name: 'legacy', version: '1' }, { capabilities });
const transport = new StreamableHTTPClientTransport(new URL(url), {
  requestInit: { headers: { Authorization: `Bearer ${bearer}` } },
});
let logged = 0;
let changed = false;

client.setRequestHandler(types.ElicitRequestSchema, ({ params }) => ({
  action: 'accept',
  content: Object.fromEntries(
    Object.keys(params.requestedSchema.properties).map((name) => [name, 'Ada']),
  ),
}));
client.setRequestHandler(types.CreateMessageRequestSchema, () => ({
  role: 'assistant',
  content: { type: 'text', text: 'Paris' },
  model: 'm',
}));
client.setRequestHandler(types.ListRootsRequestSchema, () => ({ roots: [{ uri: 'file:///home' }] }));
client.setNotificationHandler(types.LoggingMessageNotificationSchema, () => { logged += 1; });
client.setNotificationHandler(types.ToolListChangedNotificationSchema, () => { changed = true; });

const call = async (name, args = {}, options = {}) => {
  const result = await client.callTool({ name, arguments: args }, undefined, options);
  return result.content[0].text;
};

await client.connect(transport);
await client.ping();
const seen = { opened: transport.protocolVersion };
seen.tools = (await client.listTools()).tools.length;
seen.simple = await call('test_simple_text');
seen.mirrored = await call('test_x_mcp_header', { region: 'eu' });
seen.progress = [];
const onprogress = ({ progress }) => seen.progress.push(progress);
await call('test_tool_with_progress', {}, { onprogress });
await client.setLoggingLevel('debug');
await call('test_tool_with_logging');
seen.logged = logged;
seen.elicitation = await call('test_elicitation', { message: 'who?' });
seen.sampling = await call('test_sampling', { prompt: 'capital?' });
seen.roots = await call('test_input_required_result_list_roots');
seen.rounds = await call('test_input_required_result_multi_round');
const prompt = await client.getPrompt({ name: 'test_input_required_result_prompt' });
seen.prompt = prompt.messages[0].content.text;
seen.resource = (await client.readResource({ uri: 'test://static-text' })).contents[0].text;
await client.subscribeResource({ uri: 'test://watched-resource' });
await client.unsubscribeResource({ uri: 'test://watched-resource' });
const ref = { type: 'ref/prompt', name: 'test_prompt_with_arguments' };
const completed = await client.complete({ ref, argument: { name: 'arg1', value: 'a' } });
seen.completion = completed.completion.values;
while (!changed) { // the GET stream may not be open yet
  await call('test_trigger_tool_change');
  await new Promise((done) => setTimeout(done, 100));
}
seen.changed = changed;
console.log(JSON.stringify(seen));
await client.close();
