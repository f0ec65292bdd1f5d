// What a plan finds, told from a document itself: the model of all engines, and the last word where an engine finds too much.
import { SEARCH_FIELDS, type SearchDocument, type SearchFlag, type SearchPlan } from '../ports/search-index.ts'

export type Matched = Pick<SearchDocument, 'words' | 'folderId' | 'hasAttachment' | 'receivedAt' | 'size'>

export function matchesPlan(document: Matched, isSet: (flag: SearchFlag) => boolean, plan: SearchPlan): boolean {
  switch (plan.kind) {
    case 'and':
      return plan.plans.every((part) => matchesPlan(document, isSet, part))
    case 'or':
      return plan.plans.some((part) => matchesPlan(document, isSet, part))
    case 'not':
      return !matchesPlan(document, isSet, plan.plan)
    case 'words': {
      const wanted = ` ${plan.tokens.join(' ')}${plan.prefix ? '' : ' '}`
      return (plan.fields ?? SEARCH_FIELDS).some((field) => ` ${document.words[field]} `.includes(wanted))
    }
    case 'folder':
      return plan.folderIds.includes(document.folderId)
    case 'flag':
      return isSet(plan.flag) === plan.set
    case 'attachment':
      return document.hasAttachment
    case 'received':
      return (
        (plan.from === undefined || document.receivedAt >= plan.from) &&
        (plan.before === undefined || document.receivedAt < plan.before)
      )
    case 'size':
      return (
        (plan.over === undefined || document.size > plan.over) &&
        (plan.under === undefined || document.size < plan.under)
      )
    case 'all':
      return true
    case 'none':
      return false
    default: {
      const _: never = plan
      return _
    }
  }
}
