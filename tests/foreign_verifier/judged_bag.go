package main

// What bags are worth by their receipts (docs/spec/bag.md, "Judging").

// judgeBag returns the result of a bag with its receipts, or of one that is evidence with the receipt beside it.
func judgeBag(s source, beside *string, in inputs) int {
	codes := map[int]bool{}
	ended := try(func() {
		b := readBag(s)
		if b.isEvidence {
			require(beside != nil, malformed, "no receipt")
			in.Evidence = fileOf(b.read(manifestName))
			code, _ := verifyWith([]byte(*beside), in, func(r *report, _ receipt, rec record) {
				r.make(2, func() { checkRecorded(rec, b.payload) })
			})
			codes[code] = true
			return
		}
		for name := range b.payload {
			codes[b.judgeOriginal(name, in)] = true
		}
	})
	if ended != nil {
		return ended.code
	}
	return gravest(codes)
}

func (b *bag) judgeOriginal(name string, in inputs) int {
	own := in
	own.Evidence = b.payload[name]
	code, _ := verifyWith(b.read(receiptOf(name)), own, func(r *report, document receipt, rec record) {
		for folder, manifest := range b.captures {
			if manifest == own.Evidence.SHA256 {
				r.make(2, func() { b.checkCapture(folder, rec) })
			}
		}
		digest := sha256Hex([]byte(document.record))
		judgeCustody(r, document, rec, b.listRecords("custody/", digest), in)
		judgeNotices(r, document, b.listRecords("notices/", digest), in)
	})
	return code
}

func (b *bag) checkCapture(folder string, rec record) {
	isEvidence := false
	ended := try(func() {
		capture := readBag(b.within(folder))
		isEvidence = capture.isEvidence
		checkRecorded(rec, capture.payload)
	})
	require(ended == nil && isEvidence, mismatch, "%q is not the capture of its record", folder)
}

// checkRecorded holds the files of a bag to those that the record of its manifest lists, if it does.
func checkRecorded(rec record, payload map[string]evidence) {
	items, listed := readItems(rec.members["items"])
	_, described := readGroup(rec.members["manifest"], manifestForm)
	if !listed || described {
		return
	}
	named := map[string]bool{}
	for _, item := range items {
		path := item["path"].(string)
		file := payload[path]
		require(item["size"] == file.Size, mismatch, "another size of %q", path)
		digests := item["digests"].(*object).members
		for algorithm, own := range map[string]string{"sha256": file.SHA256, "sm3": file.SM3} {
			stated, ok := digests[algorithm]
			require(!ok || stated == own, mismatch, "another %s of %q", algorithm, path)
		}
		named[path] = true
	}
	require(len(named) == len(payload), mismatch, "files that are not listed")
}

// judgeCustody follows docs/spec/verification.md, "Custody events".
func judgeCustody(r *report, document receipt, rec record, events []about, in inputs) {
	codes := map[int]bool{}
	for _, each := range events {
		codes[each.verify(in)] = true
	}
	if code := gravest(codes); code != passed {
		r.codes[code] = true
		return
	}
	ended := try(func() {
		for _, each := range events {
			require(string(each.document.log[12:]) == string(document.log[12:]), mismatch, "another owner's event")
		}
		checkEvents(document, rec, chainEvents(events))
	})
	if ended != nil {
		r.codes[ended.code] = true
	}
}

// chainEvents returns the events in their order.
func chainEvents(events []about) (chained []about) {
	after := map[any]about{}
	for _, each := range events {
		previous := each.said["previous_event"]
		_, twice := after[previous]
		require(!twice, mismatch, "two events after the same one")
		after[previous] = each
	}
	for next, ok := after[nil]; ok; next, ok = after[next.digest] {
		chained = append(chained, next)
	}
	require(len(chained) == len(events), cannotCheck, "a gap")
	return chained
}

func checkEvents(document receipt, rec record, events []about) {
	log, index := string(document.log), document.index
	current := rec.digests["sha256"]
	for _, each := range events {
		if string(each.document.log) == log {
			require(each.document.index > index, mismatch, "an event before the one before it")
		}
		log, index = string(each.document.log), each.document.index
		if before, ok := each.said["digest_before"].(string); ok {
			require(current == "" || before == current, mismatch, "another digest before")
			current = before
		}
		if after, ok := each.said["digest_after"].(string); ok {
			current = after
		}
	}
	stated, ok := rec.digests["sha256"]
	require(!ok || current == stated, mismatch, "another digest at the end")
}

// judgeNotices follows docs/spec/verification.md, "Notices".
func judgeNotices(r *report, document receipt, notices []about, in inputs) {
	for _, each := range notices {
		code := each.verify(in)
		if string(each.document.log[12:]) != string(document.log[12:]) {
			code = mismatch
		}
		switch code {
		case passed:
			r.codes[superseded] = true
		case cannotCheck, notFinal, unknown:
			r.codes[code] = true
		}
	}
}
