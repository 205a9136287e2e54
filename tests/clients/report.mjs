// What the JavaScript clients of the internal API share: the packages they find, and one line of JSON a case as in
// report.py. `run(cases, context)` runs them all and ends the process: with 0 when every case passed and there was one.
import { createRequire } from 'node:module';
import path from 'node:path';

/** A package from TOOLS/node_modules, where npm put it. */
export const load = (tools, name) => createRequire(path.join(path.resolve(tools), 'package.json'))(name);

export function check(condition, what) {
  if (!condition) throw new Error(what);
}

/** Asks `method` `path`, with `fields` as JSON when there are any; the answer's JSON, which must be a success. */
export async function ask(url, fields) {
  const options = fields && { method: 'POST', body: JSON.stringify(fields) };
  const answer = await fetch(url, { signal: AbortSignal.timeout(60_000), ...options });
  const text = await answer.text();
  check(answer.status === 200, `${url}: ${answer.status} ${text.slice(0, 200)}`);
  return JSON.parse(text);
}

export async function run(client, cases) {
  const totals = { passed: 0, failed: 0 };
  for (const [name, body] of Object.entries(cases)) {
    const line = { client, case: name };
    try {
      line.detail = await body();
      line.ok = true;
      totals.passed += 1;
    } catch (error) {
      line.ok = false;
      line.error = String(error.stack ?? error).slice(0, 800);
      totals.failed += 1;
    }
    console.log(JSON.stringify(line));
  }
  const ok = totals.failed === 0 && totals.passed > 0;
  console.log(JSON.stringify({ client, case: 'done', ok, ...totals }));
  process.exit(ok ? 0 : 1);
}
