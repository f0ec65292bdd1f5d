// Every GraphQL document the app sends.

const address = '{ name address }'
const row = `id folderId threadId subject from ${address} to ${address} date receivedAt size flags snippet hasAttachment`
const folder = 'id name parentId role total unread'
const detail = `${row} cc ${address} replyTo ${address} messageIdHeader text bodyUrl remoteImageCount rawUrl
  verdict { action score reasons { engine rule score text } }
  attachments { section filename type size inline contentId url }`

export const START = `query Start { me { id address name role quotaBytes usedBytes messageCount revision } folders { ${folder} } }`

export const FOLDERS = `query Folders { folders { ${folder} } }`

export const MESSAGES = `query Messages($folderId: ID!, $filter: MessageFilter, $first: Int!, $offset: Int!, $atLeast: Revision) {
  messages(folderId: $folderId, filter: $filter, first: $first, offset: $offset, atLeast: $atLeast) {
    totalCount revision edges { node { ${row} } }
  }
}`

export const SEARCH = `query Search($query: String!, $first: Int!, $after: String, $atLeast: Revision) {
  search(query: $query, first: $first, after: $after, atLeast: $atLeast) {
    totalCount totalIsExact warnings pageInfo { hasNextPage endCursor }
    edges { node { ${row} } subject { text match } snippet { text match } }
  }
}`

export const MESSAGE = `query Message($id: ID!, $atLeast: Revision) { message(id: $id, atLeast: $atLeast) { ${detail} } }`

export const THREAD = `query Thread($id: ID!, $atLeast: Revision) { thread(id: $id, atLeast: $atLeast) { id subject messages { ${row} } } }`

export const HISTORY = `query History($messageId: ID!) {
  history(messageId: $messageId) { eventId type revision position at actor via clientAddress clientName summary }
}`

export const SET_FLAGS =
  'mutation SetFlags($messageIds: [ID!]!, $add: [String!], $remove: [String!]) { setFlags(messageIds: $messageIds, add: $add, remove: $remove) { revision } }'
export const MOVE =
  'mutation Move($messageIds: [ID!]!, $folderId: ID!) { moveMessages(messageIds: $messageIds, folderId: $folderId) { revision } }'
export const DELETE = 'mutation Delete($messageIds: [ID!]!) { deleteMessages(messageIds: $messageIds) { revision } }'
export const RESTORE = 'mutation Restore($messageIds: [ID!]!) { restoreMessages(messageIds: $messageIds) { revision } }'

export const CREATE_FOLDER = `mutation CreateFolder($name: String!, $parentId: ID) { createFolder(name: $name, parentId: $parentId) { folder { ${folder} } revision } }`
export const RENAME_FOLDER = `mutation RenameFolder($folderId: ID!, $name: String!) { renameFolder(folderId: $folderId, name: $name) { folder { ${folder} } revision } }`
export const DELETE_FOLDER = 'mutation DeleteFolder($folderId: ID!) { deleteFolder(folderId: $folderId) { revision } }'

export const SEND =
  'mutation Send($input: SendMessageInput!) { sendMessage(input: $input) { messageId submissionId sendAt } }'
export const CANCEL_SEND =
  'mutation CancelSend($submissionId: ID!) { cancelSend(submissionId: $submissionId) { cancelled } }'
export const SAVE_DRAFT =
  'mutation SaveDraft($input: SendMessageInput!, $replaces: ID) { saveDraft(input: $input, replaces: $replaces) { messageId revision } }'

const rules = 'rules { name script active } problems { line column message }'

export const RULES = 'query Rules { filterRules { name script active } }'
export const CHECK_RULES =
  'query CheckRules($script: String!) { checkFilterRules(script: $script) { line column message } }'
export const TEST_RULES = `query TestRules($script: String!, $folderId: ID!, $last: Int!) {
  testFilterRules(script: $script, folderId: $folderId, last: $last) {
    problems { line column message }
    messages {
      message { id subject from ${address} receivedAt }
      actions { action line detail flags note }
      problem { line column message }
    }
  }
}`
export const SAVE_RULES = `mutation SaveRules($name: String!, $script: String!) { saveFilterRules(name: $name, script: $script) { ${rules} } }`
export const ACTIVATE_RULES = `mutation ActivateRules($name: String) { activateFilterRules(name: $name) { ${rules} } }`
export const RENAME_RULES = `mutation RenameRules($name: String!, $newName: String!) { renameFilterRules(name: $name, newName: $newName) { ${rules} } }`
export const DELETE_RULES = `mutation DeleteRules($name: String!) { deleteFilterRules(name: $name) { ${rules} } }`

export const QUARANTINE = `query Quarantine($first: Int!) {
  quarantine(first: $first) {
    id from mailFrom subject receivedAt size verdict { action score malware reasons { engine rule score text } }
  }
}`
export const RELEASE_QUARANTINED = 'mutation ReleaseQuarantined($id: ID!) { releaseQuarantined(id: $id) { messageId } }'
export const DROP_QUARANTINED = 'mutation DropQuarantined($id: ID!) { dropQuarantined(id: $id) { id } }'

export const CHANGES = `subscription Changes($after: Revision) {
  mailboxChanged(after: $after) {
    revision type at causationId messageIds messages { ${row} } folderIds folders { ${folder} }
  }
}`
