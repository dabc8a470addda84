// SPDX-License-Identifier: GPL-3.0-or-later
// The programs of ../seed translated for the JavaScript SDK, and more of its surface. Run by
// run_js.py, which starts moru-local and sets the variables the SDK reads.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'

// The SDK is installed outside the source tree.
const require = createRequire(process.env.MORU_JS_ROOT + '/')
const sdk = await import(pathToFileURL(require.resolve('@moru-ai/core')).href)
const { Sandbox, NotFoundError, CommandExitError, TimeoutError } = sdk.Sandbox ? sdk : sdk.default

async function listed(query) {
  const ids = []
  const paginator = Sandbox.list({ query })
  while (paginator.hasNext) {
    for (const info of await paginator.nextItems()) ids.push(info.sandboxId)
  }
  return ids
}

after(async () => {
  for (const id of await listed()) await Sandbox.kill(id)
})

test('basic usage', async () => {
  const sandbox = await Sandbox.create()
  const result = await sandbox.commands.run("echo 'Hello'")
  assert.equal(result.stdout, 'Hello\n')
  assert.equal(result.exitCode, 0)
  await sandbox.kill()
  assert.ok(!(await listed()).includes(sandbox.sandboxId))
  assert.equal(await sandbox.isRunning(), false)
})

test('kill by id, also twice and for an id that never was', async () => {
  const sandbox = await Sandbox.create()
  assert.equal(await Sandbox.kill(sandbox.sandboxId), true)
  assert.equal(await Sandbox.kill(sandbox.sandboxId), false)
  assert.equal(await Sandbox.kill('sbx_abc123...'), false)
})

test('pause keeps files, connect resumes', async () => {
  let sandbox = await Sandbox.create()
  const id = sandbox.sandboxId
  await sandbox.files.write('/data/important.txt', 'Preserve this!')
  await sandbox.betaPause()
  assert.deepEqual(await listed({ state: ['paused'] }), [id])
  assert.equal(await sandbox.isRunning(), false)
  sandbox = await Sandbox.connect(id)
  await sandbox.connect()
  assert.equal(await sandbox.files.read('/data/important.txt'), 'Preserve this!')
  await sandbox.kill()
})

test('a killed sandbox is NotFoundError', async () => {
  const sandbox = await Sandbox.create()
  await (await Sandbox.connect(sandbox.sandboxId)).kill()
  await assert.rejects(Sandbox.connect(sandbox.sandboxId), NotFoundError)
  await assert.rejects(Sandbox.getInfo(sandbox.sandboxId), NotFoundError)
})

test('kill by metadata, by the paginator because Sandbox.list() is not iterable', async () => {
  const ours = []
  for (let i = 0; i < 2; ++i) {
    ours.push((await Sandbox.create({ metadata: { environment: 'development', 'user name': 'a&b=c' } })).sandboxId)
  }
  const other = (await Sandbox.create({ metadata: { environment: 'production' } })).sandboxId
  assert.equal(Sandbox.list()[Symbol.asyncIterator], undefined)
  assert.deepEqual((await listed({ metadata: { 'user name': 'a&b=c' } })).sort(), [...ours].sort())
  const paginator = Sandbox.list()
  const killed = []
  while (paginator.hasNext) {
    for (const info of await paginator.nextItems()) {
      if (info.metadata.environment === 'development') {
        await Sandbox.kill(info.sandboxId)
        killed.push(info.sandboxId)
      }
    }
  }
  assert.deepEqual(killed.sort(), ours.sort())
  assert.deepEqual(await listed({ metadata: { environment: 'production' } }), [other])
  await Sandbox.kill(other)
})

test('graceful shutdown', async () => {
  const sandbox = await Sandbox.create()
  await sandbox.files.write('server.py', readFileSync(new URL('../seed/server.py', import.meta.url), 'utf8'))
  await sandbox.commands.run('python3 server.py', { background: true })
  await sandbox.commands.run('until [ -e server-up ]; do sleep 0.05; done')
  await sandbox.commands.run('pkill -SIGTERM python3')
  await sandbox.commands.run('until [ -e stopped-gracefully ]; do sleep 0.05; done')
  assert.equal(await sandbox.files.read('stopped-gracefully'), 'yes')
  await sandbox.kill()
})

test('commands: exit codes, both outputs, environment, stdin, time limit', async () => {
  const sandbox = await Sandbox.create({ envs: { COLOUR: 'teal' } })
  await assert.rejects(sandbox.commands.run('echo out; echo err >&2; exit 3'), (error) => {
    assert.ok(error instanceof CommandExitError)
    assert.equal(error.exitCode, 3)
    assert.equal(error.stdout, 'out\n')
    assert.equal(error.stderr, 'err\n')
    return true
  })
  assert.equal((await sandbox.commands.run('echo $COLOUR $A', { envs: { A: '1' } })).stdout, 'teal 1\n')
  assert.equal((await sandbox.commands.run('whoami; pwd')).stdout, 'user\n/home/user\n')
  assert.equal((await sandbox.commands.run('whoami', { user: 'root' })).stdout, 'root\n')
  const cat = await sandbox.commands.run('head -n1', { background: true, stdin: true })
  await sandbox.commands.sendStdin(cat.pid, 'typed\n')
  assert.equal((await cat.wait()).stdout, 'typed\n')
  await assert.rejects(sandbox.commands.run('sleep 60', { timeoutMs: 500 }), TimeoutError)
  const sleeper = await sandbox.commands.run('sleep 60', { background: true })
  assert.ok((await sandbox.commands.list()).some((p) => p.pid === sleeper.pid))
  assert.equal(await sandbox.commands.kill(sleeper.pid), true)
  await assert.rejects(sleeper.wait(), CommandExitError)
  assert.equal(await sandbox.commands.kill(sleeper.pid), false)
  await sandbox.kill()
})

test('a terminal: output, input, size', async () => {
  const sandbox = await Sandbox.create()
  let seen = ''
  const decoder = new TextDecoder()
  const wanted = async (text) => {
    const end = Date.now() + 20000
    while (!seen.includes(text)) {
      assert.ok(Date.now() < end, `no ${JSON.stringify(text)} in ${JSON.stringify(seen)}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const pty = await sandbox.pty.create({ cols: 80, rows: 24, onData: (bytes) => { seen += decoder.decode(bytes, { stream: true }) } })
  await sandbox.pty.sendInput(pty.pid, new TextEncoder().encode('stty size; echo $TERM\n'))
  await wanted('24 80')
  await wanted('xterm-256color')
  await sandbox.pty.resize(pty.pid, { cols: 101, rows: 33 })
  await sandbox.pty.sendInput(pty.pid, new TextEncoder().encode('stty size\n'))
  await wanted('33 101')
  assert.equal(await sandbox.pty.kill(pty.pid), true)
  await sandbox.kill()
})

test('files: empty, binary, several, list, info, rename, remove, watch', async () => {
  const sandbox = await Sandbox.create()
  await sandbox.files.write('empty.txt', '')
  assert.equal(await sandbox.files.read('empty.txt'), '')
  const bytes = new Uint8Array(300000).map((_, i) => i % 251)
  await sandbox.files.write('dir/data.bin', bytes.buffer)
  assert.deepEqual(await sandbox.files.read('dir/data.bin', { format: 'bytes' }), bytes)
  await sandbox.files.write([{ path: 'dir/a "quoted" ü.txt', data: 'a' }, { path: '/data/b.txt', data: 'b' }])
  assert.equal(await sandbox.files.read('dir/a "quoted" ü.txt'), 'a')
  assert.deepEqual((await sandbox.files.list('dir')).map((e) => e.name), ['a "quoted" ü.txt', 'data.bin'])
  const info = await sandbox.files.getInfo('dir/data.bin')
  assert.equal(info.owner, 'user')
  assert.equal(info.permissions, '-rw-r--r--')
  assert.equal(info.size, 300000)
  assert.equal(await sandbox.files.makeDir('dir'), false)
  assert.equal(await sandbox.files.makeDir('dir/new'), true)
  await sandbox.files.rename('dir/data.bin', 'dir/new/moved.bin')
  assert.equal(await sandbox.files.exists('dir/data.bin'), false)
  assert.equal(await sandbox.files.exists('dir/new/moved.bin'), true)
  await assert.rejects(sandbox.files.read('nowhere'), NotFoundError)
  const events = []
  const watch = await sandbox.files.watchDir('dir', (event) => events.push(`${event.type} ${event.name}`))
  await sandbox.files.write('dir/seen.txt', 'x')
  const end = Date.now() + 20000
  while (!events.includes('write seen.txt')) {
    assert.ok(Date.now() < end, `events: ${events}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.ok(events.includes('create seen.txt'))
  await watch.stop()
  await sandbox.files.remove('dir')
  assert.equal(await sandbox.files.exists('dir'), false)
  await sandbox.kill()
})

test('signed URLs work without a token, and only while they are valid', async () => {
  const sandbox = await Sandbox.create()
  await sandbox.files.write('signed.txt', 'by signature')
  const good = await fetch(await sandbox.downloadUrl('signed.txt', { useSignatureExpiration: 10000 }))
  assert.equal(await good.text(), 'by signature')
  const late = await fetch(await sandbox.downloadUrl('signed.txt', { useSignatureExpiration: -10000 }))
  assert.equal(late.status, 401)
  assert.deepEqual(await late.json(), { code: 401, message: 'signature is already expired' })
  await sandbox.kill()
})
