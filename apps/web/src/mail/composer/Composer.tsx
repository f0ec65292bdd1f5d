import { Expand, Minus, Paperclip, RotateCcw, SendHorizontal, Shrink, Trash2, X } from 'lucide-react'
import { type DragEvent, type KeyboardEvent, useEffect, useId, useLayoutEffect, useRef, useState } from 'react'
import { useDesk } from '../../app/context.ts'
import { toast } from '../../app/toasts.ts'
import { useAtom } from '../../data/atom.ts'
import { ANSWERED } from '../../data/types.ts'
import { t, useLanguage } from '../../i18n/index.ts'
import { keyLabel } from '../../keyboard/keymap.ts'
import { Button, IconButton } from '../../ui/Button.tsx'
import { Dialog } from '../../ui/Dialog.tsx'
import { clock, fileSize } from '../../ui/format.ts'
import { fileIcon } from '../reader/Attachments.tsx'
import {
  closeComposer,
  composers,
  type Draft,
  type DraftFile,
  forgetLocally,
  type OpenDraft,
  resizeComposer,
  updateDraft,
} from './composers.ts'
import { offerUndo } from './held.ts'
import { RecipientField } from './RecipientField.tsx'
import { isAddress } from './recipients.ts'
import { type Doubt, doubts, isEmpty, sendDraft } from './sending.ts'
import { attachFiles, removeFile, retryUpload } from './uploads.ts'
import { type SaveState, useAutosave } from './useAutosave.ts'

export default function Composers() {
  const open = useAtom(composers)
  return (
    <div className="composers">
      {open.map((each) => (
        <Composer key={each.draft.id} open={each} />
      ))}
    </div>
  )
}

function Composer({ open }: { readonly open: OpenDraft }) {
  useLanguage()
  const { mailbox, queue } = useDesk()
  const { draft, size } = open
  const account = mailbox.account.id
  const autosave = useAutosave(account, draft)
  const [error, setError] = useState<string>()
  const [asking, setAsking] = useState<readonly Doubt[]>()
  const [sending, setSending] = useState(false)
  const [over, setOver] = useState(false)
  const [ccShown, setCcShown] = useState(draft.cc.length > 0)
  const [bccShown, setBccShown] = useState(draft.bcc.length > 0)
  const body = useRef<HTMLTextAreaElement>(null)
  const picker = useRef<HTMLInputElement>(null)
  const root = useRef<HTMLDivElement>(null)
  const heading = useId()
  const edit = (change: Partial<Draft>) => {
    setError(undefined)
    updateDraft(draft.id, { ...change, commandId: crypto.randomUUID() })
  }

  // biome-ignore lint/correctness/useExhaustiveDependencies: only when it opens
  useLayoutEffect(() => {
    if (draft.kind !== 'reply') return
    body.current?.focus()
    body.current?.setSelectionRange(0, 0)
  }, [])
  // The focus goes back to where writing was started from.
  useEffect(() => {
    const before = document.activeElement
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true })
    }
  }, [])

  const now = () => composers.get().find((each) => each.draft.id === draft.id)?.draft ?? draft
  const close = async () => {
    const last = now()
    const saved = isEmpty(last) ? undefined : autosave.flush()
    closeComposer(draft.id)
    // Kept in this browser for as long as the server does not have it.
    if (!saved || (await saved).serverId) forgetLocally(account, draft.id)
  }
  const discard = async () => {
    closeComposer(draft.id)
    const { serverId } = await autosave.hold()
    forgetLocally(account, draft.id)
    if (serverId) queue.run({ kind: 'delete', ids: [serverId] })
    toast(t('discarded'))
  }
  const send = async (sure = false) => {
    const last = now()
    const people = [...last.to, ...last.cc, ...last.bcc]
    const bad = people.find((each) => !isAddress(each.address))
    if (sending) return
    if (people.length === 0) return setError(t('needRecipient'))
    if (bad) return setError(t('badAddress', { address: bad.address }))
    if (last.files.some((each) => each.state === 'uploading')) return setError(t('waitUploads'))
    const doubtful = doubts(last)
    if (!sure && doubtful.length > 0) return setAsking(doubtful)
    setAsking(undefined)
    setSending(true)
    setError(undefined)
    try {
      const { serverId } = await autosave.hold()
      const answered = last.inReplyTo === undefined ? undefined : mailbox.message(last.inReplyTo)
      const marked = answered !== undefined && !answered.flags.includes(ANSWERED)
      const sent = await sendDraft({ ...last, serverId })
      forgetLocally(account, draft.id)
      closeComposer(draft.id)
      offerUndo({
        submissionId: sent.submissionId,
        messageId: sent.messageId,
        sendAt: Date.parse(sent.sendAt),
        doneAt: Date.now(),
        draft: last,
        marked,
      })
    } catch (failure) {
      autosave.resume()
      setSending(false)
      setError(t('sendFailed', { reason: failure instanceof Error ? failure.message : String(failure) }))
    }
  }

  const titles = { new: t('newMessage'), reply: t('replyTitle'), forward: t('forwardTitle') }
  const title = draft.subject.trim() || titles[draft.kind]
  if (size === 'minimised') {
    return (
      <section className="composer minimised" data-composer aria-label={title}>
        <button
          type="button"
          className="composer-restore"
          title={t('restore')}
          onClick={() => resizeComposer(draft.id, 'docked')}
        >
          {title}
        </button>
        <IconButton icon={X} label={t('close')} onClick={close} />
      </section>
    )
  }
  const onDrop = (event: DragEvent) => {
    event.preventDefault()
    setOver(false)
    attachFiles(draft.id, event.dataTransfer.files)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing || event.keyCode === 229 || asking) return
    if (event.key === 'Escape') void close()
    else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void send()
    else return
    event.preventDefault()
    event.stopPropagation()
  }
  return (
    <div
      ref={root}
      role="dialog"
      aria-labelledby={heading}
      data-composer
      tabIndex={-1}
      className={`composer ${size}`}
      onDragOver={(event) => {
        if (!event.dataTransfer.types.includes('Files')) return
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={(event) => {
        if (!root.current?.contains(event.relatedTarget as Node | null)) setOver(false)
      }}
      onDrop={onDrop}
      onKeyDown={onKeyDown}
    >
      <header className="composer-head">
        <h2 id={heading}>{title}</h2>
        <SavedNote state={autosave.state} />
        <IconButton icon={Minus} label={t('minimise')} onClick={() => resizeComposer(draft.id, 'minimised')} />
        <IconButton
          icon={size === 'full' ? Shrink : Expand}
          label={t('enlarge')}
          aria-pressed={size === 'full'}
          className="not-phone"
          onClick={() => resizeComposer(draft.id, size === 'full' ? 'docked' : 'full')}
        />
        <IconButton icon={X} label={t('close')} onClick={close} />
      </header>
      {error && (
        <div className="banner bad" role="alert">
          <span>{error}</span>
        </div>
      )}
      <div className="composer-fields">
        <div className="to-row">
          <RecipientField
            label={t('to')}
            value={draft.to}
            autoFocus={draft.kind !== 'reply'}
            error={error}
            onChange={(to) => edit({ to })}
          />
          {!ccShown && (
            <button type="button" className="link-button" onClick={() => setCcShown(true)}>
              {t('addCc')}
            </button>
          )}
          {!bccShown && (
            <button type="button" className="link-button" onClick={() => setBccShown(true)}>
              {t('addBcc')}
            </button>
          )}
        </div>
        {ccShown && (
          <RecipientField
            label={t('cc')}
            value={draft.cc}
            autoFocus={draft.cc.length === 0}
            onChange={(cc) => edit({ cc })}
          />
        )}
        {bccShown && (
          <RecipientField
            label={t('bcc')}
            value={draft.bcc}
            autoFocus={draft.bcc.length === 0}
            onChange={(bcc) => edit({ bcc })}
          />
        )}
        <input
          type="text"
          className="subject-field"
          aria-label={t('subject')}
          placeholder={t('subject')}
          value={draft.subject}
          onChange={(event) => edit({ subject: event.target.value })}
        />
      </div>
      <textarea
        ref={body}
        className="composer-body"
        aria-label={t('messageText')}
        value={draft.text}
        onChange={(event) => edit({ text: event.target.value })}
        onPaste={(event) => {
          if (event.clipboardData.files.length === 0) return
          event.preventDefault()
          attachFiles(draft.id, event.clipboardData.files)
        }}
      />
      {draft.files.length > 0 && (
        <ul className="composer-files">
          {draft.files.map((file) => (
            <FileChip key={file.key} file={file} draftId={draft.id} />
          ))}
        </ul>
      )}
      <footer className="composer-foot">
        <Button
          look="primary"
          icon={SendHorizontal}
          disabled={sending}
          title={`${t('send')} (${keyLabel('send')})`}
          onClick={() => void send()}
        >
          {sending ? t('sending') : t('send')}
        </Button>
        <IconButton icon={Paperclip} label={t('attach')} size={20} onClick={() => picker.current?.click()} />
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          tabIndex={-1}
          aria-label={t('attach')}
          onChange={(event) => {
            attachFiles(draft.id, [...(event.target.files ?? [])])
            event.target.value = ''
          }}
        />
        <span className="grow" />
        <IconButton icon={Trash2} label={t('discard')} size={20} onClick={discard} />
      </footer>
      {over && <div className="drop-zone">{t('dropFiles')}</div>}
      {asking && (
        <Dialog title={t('confirmTitle')} onClose={() => setAsking(undefined)}>
          {asking.map((doubt) => (
            <p key={doubt}>{doubtText(doubt, draft)}</p>
          ))}
          <div className="dialog-buttons">
            <Button onClick={() => setAsking(undefined)}>{t('keepEditing')}</Button>
            <Button look="primary" onClick={() => void send(true)}>
              {t('sendAnyway')}
            </Button>
          </div>
        </Dialog>
      )}
    </div>
  )
}

function doubtText(doubt: Doubt, draft: Draft): string {
  switch (doubt) {
    case 'subject':
      return t('confirmSubject')
    case 'attachment':
      return t('confirmAttachment')
    case 'many':
      return t('confirmMany', { n: draft.to.length + draft.cc.length })
    default: {
      const never: never = doubt
      return never
    }
  }
}

function SavedNote({ state }: { readonly state: SaveState }) {
  const text = {
    none: '',
    local: t('savedHere'),
    saving: t('saving'),
    failed: t('saveFailed'),
    saved: state.kind === 'saved' ? t('saved', { time: clock(state.at) }) : '',
  }[state.kind]
  return <small className="saved-note">{text}</small>
}

function FileChip({ file, draftId }: { readonly file: DraftFile; readonly draftId: string }) {
  const Icon = fileIcon(file.type, file.filename)
  const percent = Math.round(file.progress * 100)
  return (
    <li className={`file-chip ${file.state}`}>
      <Icon size={16} strokeWidth={1.75} aria-hidden="true" />
      <span className="file-name" title={file.filename}>
        {file.filename}
      </span>
      <small>{file.state === 'failed' ? t('uploadFailed') : fileSize(file.size)}</small>
      {file.state === 'uploading' && (
        <progress max={100} value={percent} aria-label={t('uploading', { percent })}>
          {percent}
        </progress>
      )}
      {file.state === 'failed' && (
        <IconButton icon={RotateCcw} label={t('retry')} onClick={() => retryUpload(draftId, file.key)} />
      )}
      <IconButton
        icon={X}
        label={t('removeAttachment', { name: file.filename })}
        onClick={() => removeFile(draftId, file.key)}
      />
    </li>
  )
}
