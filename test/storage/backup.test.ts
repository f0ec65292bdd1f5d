// everpost backup and restore: what was there is there again, in other stores, by the log and the blobs alone.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { runVerb } from '../../gateways/cli/run.ts'
import type { CliIo } from '../../gateways/cli/services.ts'
import { restoreVerb } from '../../infra/backup/restore-verb.ts'
import { loadConfig } from '../../infra/config.ts'
import { type Everpost, openEverpost } from '../../infra/open-everpost.ts'
import { bring, person, picture, terminal } from '../support/pictures.ts'

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'everpost-backup-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const settings = (data: string) => loadConfig({ data }, { EVERPOST_DNS_SERVERS: 'none' }, data)

async function open(t: TestContext, data: string): Promise<Everpost> {
  const everpost = await openEverpost(settings(data))
  t.after(() => everpost.close())
  return everpost
}

describe('a backup', () => {
  it('is restored into empty engines, with the same UIDs and bytes; a second run adds only what is new', async (t) => {
    const home = folder(t)
    const data = join(home, 'data')
    const everpost = await open(t, data)
    const kim = await person(everpost, 'kim@example.test')
    await bring(everpost, home, 'kim@example.test', ['first', 'second'])
    const backingUp = async () => {
      const { io, said } = terminal(home)
      assert.equal(
        await runVerb(everpost.services, 'backup', ['backup', '--keys', 'keys.json', '--json'], io),
        0,
        said.err,
      )
      return JSON.parse(said.out) as { events: number; blobs: number; bytes: number }
    }
    const first = await backingUp()
    assert.equal(first.blobs, 2)
    await bring(everpost, home, 'kim@example.test', ['third'])
    assert.equal((await backingUp()).blobs, 1)
    assert.deepEqual(await backingUp(), { events: 0, blobs: 0, bytes: 0 })

    const other = join(home, 'other')
    mkdirSync(join(other, 'keys'), { recursive: true })
    const { io, said } = terminal(home)
    const refused = await restoreVerb(settings(other), ['backup', '--keys', 'keys.json'], io)
    assert.equal(refused, 1)
    assert.match(said.err, /wrapped by the master key/)
    cpSync(join(data, 'keys/master.key'), join(other, 'keys/master.key'))
    assert.equal(await restoreVerb(settings(other), ['backup', '--keys', 'keys.json'], io), 0, said.err)
    assert.match(said.out, /views made twice and equal/)
    assert.equal(await restoreVerb(settings(other), ['backup'], io), 1, 'not over what is there')

    const restored = await open(t, other)
    assert.deepEqual(await picture(restored, kim), await picture(everpost, kim))
    const { io: verify, said: verdict } = terminal(home)
    assert.equal(await runVerb(restored.services, 'audit verify', [], verify), 0, verdict.err)
  })

  it('that was changed, cut, or belongs to another log is refused', async (t) => {
    const home = folder(t)
    const data = join(home, 'data')
    const everpost = await open(t, data)
    await person(everpost, 'kim@example.test')
    await bring(everpost, home, 'kim@example.test', ['first'])
    const { io, said } = terminal(home)
    assert.equal(await runVerb(everpost.services, 'backup', ['backup', '--keys', 'keys.json'], io), 0, said.err)

    const stranger = await open(t, join(home, 'stranger'))
    await person(stranger, 'lee@example.test')
    assert.equal(await runVerb(stranger.services, 'backup', ['backup'], io), 1)
    assert.match(said.err, /another log/)

    const target = (name: string) => {
      mkdirSync(join(home, name, 'keys'), { recursive: true })
      cpSync(join(data, 'keys/master.key'), join(home, name, 'keys/master.key'))
      return settings(join(home, name))
    }
    for (const name of readdirSync(join(home, 'backup')).filter((each) => each.endsWith('.evb'))) {
      const path = join(home, 'backup', name)
      const whole = readFileSync(path)
      const changed = Buffer.from(whole)
      const at = statSync(path).size - 3
      changed[at] = (changed[at] ?? 0) ^ 1
      for (const [how, bytes] of [
        ['changed', changed],
        ['cut', whole.subarray(0, -5)],
      ] as const) {
        writeFileSync(path, bytes)
        said.err = ''
        assert.equal(
          await restoreVerb(target(`${name}-${how}`), ['backup', '--keys', 'keys.json'], io),
          1,
          `${name} ${how}`,
        )
        assert.match(said.err, /changed since|cut short|corrupt|hash|bytes/i)
      }
      writeFileSync(path, whole)
    }
  })

  it('goes on where a restore was interrupted', async (t) => {
    const home = folder(t)
    const everpost = await open(t, join(home, 'data'))
    const kim = await person(everpost, 'kim@example.test')
    await bring(everpost, home, 'kim@example.test', ['first', 'second'])
    const { io, said } = terminal(home)
    assert.equal(await runVerb(everpost.services, 'backup', ['backup', '--keys', 'keys.json'], io), 0, said.err)
    const other = join(home, 'other')
    mkdirSync(join(other, 'keys'), { recursive: true })
    cpSync(join(home, 'data/keys/master.key'), join(other, 'keys/master.key'))
    const stopping = new AbortController()
    let seen = 0
    const interrupted: CliIo = {
      ...io,
      signal: stopping.signal,
      progress: () => {
        if (++seen === 2) stopping.abort(new Error('stopped'))
      },
    }
    assert.equal(await restoreVerb(settings(other), ['backup', '--keys', 'keys.json'], interrupted), 1)
    assert.equal(await restoreVerb(settings(other), ['backup', '--keys', 'keys.json', '--resume'], io), 0, said.err)
    assert.deepEqual(await picture(await open(t, other), kim), await picture(everpost, kim))
  })
})
