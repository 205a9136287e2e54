// Node's undici (EnvHttpProxyAgent with fetch) through the proxy that its environment names, and nothing else.
//
//     node undici_client.mjs BASE HTTPS_BASE CA_FILE REFUSED_HOST [TOOLS]      each may be "" to skip its cases
//
// undici is loaded from TOOLS/node_modules; TOOLS is $ODYN_TEST_TOOLS, else target/test-tools, unless given.
// undici 6 opens a CONNECT tunnel for http:// as well as for https://, so its refused http request has no answer body
// to look at. It refuses to send `Expect`, so there is no case for it. Lines and exit status: as in report.py.
import { createHash } from 'node:crypto';
import diagnostics from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const [base, httpsBase, caFile, refused, toolsArgument] = process.argv.slice(2);
if (refused === undefined) {
  console.error('usage: undici_client.mjs BASE HTTPS_BASE CA_FILE REFUSED_HOST [TOOLS] (each may be "")');
  process.exit(2);
}
const ownTools = path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '../../target/test-tools');
const tools = path.resolve(toolsArgument || process.env.ODYN_TEST_TOOLS || ownTools);
const { EnvHttpProxyAgent, fetch } = createRequire(path.join(tools, 'package.json'))('undici');

const KEEP_ALIVE_REQUESTS = 20;
const UPLOAD = 1 << 20;
const CHUNKED = 3 << 20;
const TIMEOUT = 60_000;

const totals = { passed: 0, failed: 0 };

async function runCase(name, scheme, run) {
  const line = { client: 'undici', case: name, scheme };
  try {
    line.detail = await run();
    line.ok = true;
    totals.passed += 1;
  } catch (error) {
    line.ok = false;
    line.error = causesOf(error).slice(0, 500);
    totals.failed += 1;
  }
  console.log(JSON.stringify(line));
}

function check(condition, what) {
  if (!condition) throw new Error(what);
}

// fetch says only "fetch failed": the reason is in the causes below it.
function causesOf(error) {
  const texts = [];
  for (let cause = error; cause; cause = cause.cause) texts.push(String(cause));
  return texts.join('; ');
}

const sha256 = (data) => createHash('sha256').update(data).digest('hex');
const body = (size) => createHash('shake256', { outputLength: size }).update('odyn test client').digest();

async function* pieces(data) {
  for (let offset = 0, size = 1; offset < data.length; offset += size, size = 1 + ((size * 5 + 3) % 70_001)) {
    yield data.subarray(offset, offset + size);
  }
}

function withAgent(run) {
  return async () => {
    const agent = new EnvHttpProxyAgent(caFile ? { requestTls: { ca: readFileSync(caFile) } } : {});
    try {
      const ask = (url, options = {}) =>
        fetch(url, { dispatcher: agent, signal: AbortSignal.timeout(TIMEOUT), ...options });
      return await run(ask);
    } finally {
      await agent.destroy();
    }
  };
}

async function checkHello(answer) {
  const text = await answer.text();
  check(answer.status === 200 && text === 'hello from the origin\n', `${answer.status} ${text}`);
}

function checkEcho(answer, data, framing) {
  check(answer.bytes === data.length, `origin got ${answer.bytes} bytes of ${data.length}`);
  check(answer.sha256 === sha256(data), 'origin got other bytes');
  check(answer.framing === framing, `origin saw framing ${answer.framing}`);
  return { bytes: answer.bytes, framing };
}

const cases = {
  get: async (ask, url) => {
    await checkHello(await ask(`${url}/hello`));
    return { status: 200 };
  },
  keep_alive: async (ask, url) => {
    // Tunnels as undici itself counts them. Its pool may open a second one when a request follows so closely on an
    // answer that the first is not yet marked free; never more.
    const target = new URL(url).host;
    let connections = 0;
    const count = ({ connectParams }) => (connections += connectParams.host === target ? 1 : 0);
    diagnostics.subscribe('undici:client:connected', count);
    try {
      for (let i = 0; i < KEEP_ALIVE_REQUESTS; i += 1) await checkHello(await ask(`${url}/hello`));
    } finally {
      diagnostics.unsubscribe('undici:client:connected', count);
    }
    check(connections <= 2, `${connections} tunnels for ${KEEP_ALIVE_REQUESTS} requests`);
    return { requests: KEEP_ALIVE_REQUESTS, connections };
  },
  post_1m: async (ask, url) => {
    const data = body(UPLOAD);
    return checkEcho(await (await ask(`${url}/echo-sha256`, { method: 'POST', body: data })).json(), data, 'length');
  },
  upload_chunked_3m: async (ask, url) => {
    const data = body(CHUNKED);
    const answer = await ask(`${url}/echo-sha256`, { method: 'POST', body: pieces(data), duplex: 'half' });
    return checkEcho(await answer.json(), data, 'chunked');
  },
  download_chunked_3m: async (ask, url) => {
    const answer = await ask(`${url}/chunked?bytes=${CHUNKED}`);
    const content = Buffer.from(await answer.arrayBuffer());
    check(content.length === CHUNKED, `${content.length} bytes`);
    check(sha256(content) === answer.headers.get('x-body-sha256'), 'other bytes than the origin sent');
    return { bytes: content.length };
  },
  head: async (ask, url) => {
    const answer = await ask(`${url}/hello`, { method: 'HEAD' });
    check(answer.status === 200 && (await answer.text()) === '', `status ${answer.status}`);
    check(answer.headers.get('content-length') === '22', `length ${answer.headers.get('content-length')}`);
    await checkHello(await ask(`${url}/hello`));
    return { status: 200 };
  },
  no_content: async (ask, url) => {
    const answer = await ask(`${url}/status/204`);
    check(answer.status === 204 && (await answer.text()) === '', `status ${answer.status}`);
    await checkHello(await ask(`${url}/hello`));
    return { status: 204 };
  },
};

for (const [scheme, url] of [['http', base], ['https', httpsBase]]) {
  if (!url) continue;
  for (const [name, run] of Object.entries(cases)) await runCase(name, scheme, withAgent((ask) => run(ask, url)));
}
if (refused) {
  for (const scheme of ['http', 'https']) {
    await runCase('refused', scheme, withAgent(async (ask) => {
      let answer;
      try {
        answer = await ask(`${scheme}://${refused}/`);
      } catch (error) {
        const causes = causesOf(error);
        check(causes.includes('(403)'), `not a 403: ${causes}`);
        return { error: causes };
      }
      throw new Error(`answered ${answer.status}`);
    }));
  }
}
const ok = totals.failed === 0 && totals.passed > 0;
console.log(JSON.stringify({ client: 'undici', case: 'done', ok, ...totals }));
process.exit(ok ? 0 : 1);
