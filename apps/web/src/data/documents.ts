// Every GraphQL document the app sends.

const address = '{ name address }'
const row = `id folderId threadId subject from ${address} to ${address} date receivedAt size flags snippet hasAttachment`
const folder = 'id name parentId role total unread'
const detail = `${row} cc ${address} replyTo ${address} messageIdHeader text bodyUrl remoteImageCount rawUrl
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
  'mutation Send($input: SendMessageInput!) { sendMessage(input: $input) { messageId submissionId revision } }'
export const SAVE_DRAFT =
  'mutation SaveDraft($input: SendMessageInput!, $replaces: ID) { saveDraft(input: $input, replaces: $replaces) { messageId revision } }'

export const CHANGES = `subscription Changes($after: Revision) {
  mailboxChanged(after: $after) {
    revision type at causationId messageIds messages { ${row} } folderIds folders { ${folder} }
  }
}`
