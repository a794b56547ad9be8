// Preloaded into the conformance suite, which has no option for a token: adds a bearer token to every
// request to one origin, whichever of Node's three HTTP stacks (fetch, node:http, undici) sends it.
import http from 'node:http';
import { createRequire } from 'node:module';

const origin = process.env.OSTIARY_TEST_ORIGIN;
const bearer = `Bearer ${process.env.OSTIARY_TEST_BEARER}`;

function withBearer(given) {
  const headers = new Headers(given ?? {});
  if (!headers.has('authorization')) headers.set('authorization', bearer);
  return headers;
}

const plainFetch = globalThis.fetch;
globalThis.fetch = (input, init = {}) => {
  const target = new URL(input instanceof Request ? input.url : input);
  if (target.origin !== origin) return plainFetch(input, init);
  const given = init.headers ?? (input instanceof Request ? input.headers : undefined);
  return plainFetch(input, { ...init, headers: withBearer(given) });
};

const plainRequest = http.request;
http.request = function request(options, ...rest) {
  const plain = options && typeof options === 'object' && !(options instanceof URL);
  if (!plain || `http://${options.hostname ?? options.host}:${options.port ?? 80}` !== origin) {
    return plainRequest.call(this, options, ...rest);
  }
  const names = Object.keys(options.headers ?? {}).map((name) => name.toLowerCase());
  const added = names.includes('authorization') ? {} : { Authorization: bearer };
  return plainRequest.call(this, { ...options, headers: { ...options.headers, ...added } }, ...rest);
};

// undici's headers are an object, a flat list of names and values, or something iterable.
function added(headers) {
  if (!headers) return { authorization: bearer };
  if (Array.isArray(headers)) {
    const there = headers.some((value, at) => at % 2 === 0 && `${value}`.toLowerCase() === 'authorization');
    return there ? headers : [...headers, 'authorization', bearer];
  }
  if (typeof headers[Symbol.iterator] === 'function') {
    return Object.fromEntries(withBearer(headers));
  }
  const there = Object.keys(headers).some((name) => name.toLowerCase() === 'authorization');
  return there ? headers : { ...headers, authorization: bearer };
}

try {
  const { Agent, setGlobalDispatcher } = createRequire(process.argv[1])('undici');
  setGlobalDispatcher(new Agent().compose((dispatch) => (options, handler) => dispatch(
    String(options.origin) === origin ? { ...options, headers: added(options.headers) } : options,
    handler,
  )));
} catch (error) {
  if (error.code !== 'MODULE_NOT_FOUND') throw error; // a helper process of npm, not the suite itself
}
