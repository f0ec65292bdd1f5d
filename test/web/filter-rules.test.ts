// Filter rules over GraphQL: saving with problems by line, putting in force, testing, and nobody else's.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { startWeb } from '../support/web-server.ts'

const RULES = 'require "fileinto";\nif header :contains "subject" "plan" { fileinto "Archive"; }\n'

describe('filter rules over GraphQL', () => {
  it('are saved, put in force, renamed and deleted, for one account alone', async (t) => {
    const { server, alice, bob } = await startWeb(t)
    const ask = async (person: typeof alice, document: string, variables: object = {}) => {
      const answer = await server.graphql(person, document, variables)
      return answer
    }
    const save = `mutation($name: String!, $script: String!, $activate: Boolean) {
      saveFilterRules(name: $name, script: $script, activate: $activate) { rules { name script active } problems { line column message } } }`
    const saved = await ask(alice, save, { name: 'main', script: RULES, activate: true })
    assert.deepEqual(saved.data.saveFilterRules, {
      rules: [{ name: 'main', script: RULES, active: true }],
      problems: [],
    })
    const wrong = await ask(alice, save, { name: 'main', script: 'keep;\n  foo;', activate: false })
    assert.deepEqual(wrong.data.saveFilterRules.problems, [
      { line: 2, column: 3, message: 'There is no command "foo".' },
    ])
    assert.equal(wrong.data.saveFilterRules.rules[0].script, RULES, 'nothing of it was saved')
    const inForce = await ask(alice, 'mutation { deleteFilterRules(name: "main") { rules { name } } }')
    assert.equal(inForce.errors?.[0]?.extensions?.code, 'RULES_ACTIVE')
    const renamed = await ask(
      alice,
      'mutation { renameFilterRules(name: "main", newName: "work") { rules { name active } } }',
    )
    assert.deepEqual(renamed.data.renameFilterRules.rules, [{ name: 'work', active: true }])
    assert.deepEqual((await ask(bob, '{ filterRules { name } }')).data.filterRules, [])
    const other = await ask(bob, 'mutation { activateFilterRules(name: "work") { rules { name } } }')
    assert.equal(other.errors?.[0]?.extensions?.code, 'NO_SUCH_RULES')
    await ask(alice, 'mutation { activateFilterRules { rules { name } } }')
    const deleted = await ask(alice, 'mutation { deleteFilterRules(name: "work") { rules { name } } }')
    assert.deepEqual(deleted.data.deleteFilterRules.rules, [])
  })

  it('are tried on messages that are there', async (t) => {
    const { server, alice, bob } = await startWeb(t)
    await server.deliver(alice, { subject: 'A plan' })
    await server.deliver(alice, { subject: 'Lunch' })
    const { data } = await server.graphql(alice, '{ folders { id role } }')
    const inbox = data.folders.find(({ role }: { role: string }) => role?.toLowerCase() === 'inbox')?.id
    const test = `query($script: String!, $folder: ID!) { testFilterRules(script: $script, folderId: $folder, last: 5) {
      problems { line } messages { message { subject } actions { action line detail flags note } problem { line } } } }`
    const tested = await server.graphql(alice, test, { script: RULES, folder: inbox })
    assert.deepEqual(tested.data.testFilterRules, {
      problems: [],
      messages: [
        {
          message: { subject: 'Lunch' },
          actions: [{ action: 'KEEP', line: null, detail: null, flags: [], note: null }],
          problem: null,
        },
        {
          message: { subject: 'A plan' },
          actions: [{ action: 'FILEINTO', line: 2, detail: 'Archive', flags: [], note: null }],
          problem: null,
        },
      ],
    })
    const broken = await server.graphql(alice, test, { script: 'foo;', folder: inbox })
    assert.deepEqual(broken.data.testFilterRules, { problems: [{ line: 1 }], messages: [] })
    const foreign = await server.graphql(bob, test, { script: RULES, folder: inbox })
    assert.equal(foreign.errors?.[0]?.extensions?.code, 'NO_SUCH_FOLDER')
    const checked = await server.graphql(alice, '{ checkFilterRules(script: "keep") { line column } filterExtensions }')
    assert.deepEqual(checked.data.checkFilterRules, [{ line: 1, column: 5 }])
    assert.ok(checked.data.filterExtensions.includes('vacation'))
  })
})
