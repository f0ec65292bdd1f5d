// Files on their way to the server. XMLHttpRequest, because fetch does not tell upload progress.

import { type DraftFile, updateDraft } from './composers.ts'

const AT_ONCE = 3
const running = new Map<string, XMLHttpRequest>()
const waiting: (() => void)[] = []
const sources = new Map<string, File>()

export function attachFiles(draftId: string, files: Iterable<File>): void {
  for (const file of files) {
    const key = crypto.randomUUID()
    sources.set(key, file)
    const made: DraftFile = {
      key,
      filename: file.name || 'file',
      type: file.type || 'application/octet-stream',
      size: file.size,
      state: 'uploading',
      progress: 0,
    }
    updateDraft(draftId, (draft) => ({ files: [...draft.files, made] }))
    enqueue(draftId, key)
  }
}

export function retryUpload(draftId: string, key: string): void {
  change(draftId, key, { state: 'uploading', progress: 0 })
  enqueue(draftId, key)
}

export function removeFile(draftId: string, key: string): void {
  running.get(key)?.abort()
  sources.delete(key)
  updateDraft(draftId, (draft) => ({ files: draft.files.filter((each) => each.key !== key) }))
}

function enqueue(draftId: string, key: string): void {
  const start = () => upload(draftId, key)
  if (running.size < AT_ONCE) start()
  else waiting.push(start)
}

function upload(draftId: string, key: string): void {
  const file = sources.get(key)
  if (!file) {
    waiting.shift()?.()
    return
  }
  const request = new XMLHttpRequest()
  running.set(key, request)
  request.open('POST', '/attachments')
  request.setRequestHeader('content-type', file.type || 'application/octet-stream')
  request.setRequestHeader('x-filename', encodeURIComponent(file.name))
  request.setRequestHeader('x-everpost', '1')
  request.upload.onprogress = (event) => {
    if (event.lengthComputable) change(draftId, key, { progress: event.loaded / event.total })
  }
  request.onload = () => {
    const id = request.status < 300 ? idOf(request.responseText) : undefined
    if (id === undefined) change(draftId, key, { state: 'failed' })
    else {
      change(draftId, key, { state: 'done', progress: 1, uploadId: id })
      sources.delete(key)
    }
  }
  request.onerror = () => change(draftId, key, { state: 'failed' })
  request.onloadend = () => {
    running.delete(key)
    waiting.shift()?.()
  }
  request.send(file)
}

const change = (draftId: string, key: string, made: Partial<DraftFile>) =>
  updateDraft(draftId, (draft) => ({
    files: draft.files.map((each) => (each.key === key ? { ...each, ...made } : each)),
  }))

function idOf(text: string): string | undefined {
  try {
    const answer = JSON.parse(text) as { id?: unknown }
    return typeof answer.id === 'string' ? answer.id : undefined
  } catch {
    return undefined
  }
}
