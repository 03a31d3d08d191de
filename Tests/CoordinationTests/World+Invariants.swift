// SPDX-License-Identifier: Apache-2.0

@testable import Coordination

extension World {
    mutating func checkInvariants() {
        checkWorkers()
        checkQueues()
        for board in coordinator.boards.values { check(board) }
        for study in coordinator.studies.values {
            for trial in study.trials { check(trial, of: study) }
            check(study)
        }
    }

    private mutating func checkWorkers() {
        var total = 0
        for (id, worker) in coordinator.workers {
            total += worker.leases.count
            let others = worker.leases.count { !$0.work.isSlice }
            if others > 1 { fail("\(id) has \(others) leases") }
            if others > 0, worker.leases.count > others { fail("\(id) has slices and other work") }
            if others > 0, worker.board != nil { fail("\(id) is a member of a board and has other work") }
            for lease in worker.leases {
                if coordinator.leases[lease]?.worker != id { fail("\(id) has \(lease), which is not in force") }
                if lease.work.isSlice, lease.work.trial != worker.board { fail("\(id) has \(lease), but is not a member there") }
            }
            if worker.state == .lost, !worker.leases.isEmpty { fail("\(id) is lost and holds a lease") }
            if let board = worker.board {
                if !worker.isServing { fail("\(id) is \(worker.state) and a member of \(board)") }
                if coordinator.boards[board]?.members.contains(id) != true { fail("\(id) is no member of its board \(board)") }
            }
            if worker.wakeAt == nil { fail("nobody looks after \(id)") }
        }
        if total != coordinator.leases.count { fail("\(coordinator.leases.count) leases, but workers have \(total)") }
    }

    private mutating func checkQueues() {
        let idle = coordinator.workers.filter { $0.value.idleClass != nil }.keys.sorted()
        if idle != coordinator.idle.values.flatMap(\.self).sorted() { fail("the list of idle workers is wrong") }
        for (key, list) in coordinator.idle where list != list.sorted() || list.isEmpty { fail("idle workers of \(key) are in disorder") }
        let wanting = coordinator.studies.values.filter(\.wantsWorkers).map(\.service).sorted()
        if wanting != coordinator.wanting { fail("the queue of studies is wrong: \(coordinator.wanting), not \(wanting)") }
    }

    private mutating func check(_ board: Board) {
        let id = board.trial
        if open[id] == nil { fail("\(id) has a board, but its owner has no numbers") }
        guard let study = coordinator.studies[id.study], let trial = coordinator.trial(id) else { return fail("no trial \(id)") }
        if board.isAccepting, trial.record.state != .running { fail("\(id) has a board and is \(trial.record.state)") }
        if study.hungry.contains(id.index) != (board.isAccepting && board.members.isEmpty) { fail("\(id): hunger is wrong") }
        for member in board.members {
            if coordinator.workers[member]?.board != id { fail("\(member) does not know that it is a member of \(id)") }
            if !study.plan.mixesClasses, coordinator.workers[member]?.numericsClass != board.numericsClass {
                fail("\(member) is not of the class of \(id)")
            }
        }
        let backlog = board.seats.values.reduce(0) { $0 + max(0, $1.queue.count - 1) }
        if backlog != board.backlog { fail("\(id): \(board.backlog) slices stand behind others, not \(backlog)") }
        if Set(board.members) != Set(board.seats.keys) { fail("\(id): seats are wrong") }
        guard board.phase == .open || board.phase == .closing else { return }
        if board.places.count(where: { $0.kept != nil }) != board.keptCount { fail("\(id): miscounted slices") }
        if board.phase == .open, board.keptCount == board.places.count { fail("\(id): all slices are there, but the step is open") }
        for (slice, place) in board.places.enumerated() {
            if place.kept != nil, !place.leases.isEmpty { fail("\(id): a kept slice is still leased") }
            if board.free.contains(slice) != (place.kept == nil && place.leases.isEmpty) { fail("\(id): slice \(slice) is free or not?") }
            if board.free.contains(slice), !board.members.isEmpty, board.isAccepting, board.phase == .open,
                place.crashes + place.suspected.count < coordinator.settings.crashLimit
            {
                fail("\(id): slice \(slice) lies about")
            }
            for lease in place.leases {
                guard let worker = coordinator.leases[lease]?.worker else { return fail("\(id): \(lease) is not in force") }
                if board.seats[worker]?.queue.contains(slice) != true { fail("\(id): \(lease) is in nobody's queue") }
            }
        }
    }

    private mutating func check(_ trial: Trial, of study: Study) {
        let record = trial.record
        let id = record.trial
        let isHeld = trial.lease != nil || coordinator.boards[id]?.isAccepting ?? false
        if (record.state == .running) != isHeld { fail("\(id) is \(record.state), lease \(String(describing: trial.lease))") }
        if let lease = trial.lease, coordinator.leases[lease] == nil { fail("\(id): \(lease) is not in force") }
        if let lease = trial.lease, let worker = coordinator.leases[lease]?.worker, !study.plan.mixesClasses, record.step > 0,
            coordinator.workers[worker]?.numericsClass != record.numericsClass
        {
            fail("\(id) of class \(record.numericsClass) is with \(worker)")
        }
        if record.step < steps[id] ?? 0 { fail("\(id) lost steps") }
        steps[id] = record.step
        if record.attempt < trained[id] ?? 0 { fail("\(id) forgot an attempt") }
        if !study.plan.mixesClasses, record.step > 0, record.numericsClass != study.numericsClass {
            fail("\(id) is of class \(record.numericsClass), its study of class \(study.numericsClass)")
        }
        if trial.segments.last.map(\.toStep) ?? 0 != record.step { fail("\(id): step \(record.step) is not where its segments end") }
        for (earlier, later) in zip(trial.segments, trial.segments.dropFirst()) where earlier.toStep != later.fromStep {
            fail("\(id) has a hole at \(earlier.toStep)")
        }
        if let before = ended[id], before != record { fail("\(id) changed after its end: \(before), \(record)") }
        if record.state.isTerminal { ended[id] = record }
        if study.state == .complete || study.state == .failed, !record.state.isTerminal, trial.closing == nil {
            fail("\(study.plan.id) ended before \(id)")
        }
        if !study.isServing, trial.lease != nil { fail("\(id) is trained, but its study is \(study.state)") }
        if !study.encoding.isComplete, trial.lease != nil || coordinator.boards[id] != nil {
            fail("\(id) runs before its pictures are there")
        }
    }

    private mutating func check(_ study: Study) {
        let id = study.plan.id
        for (part, digest) in disk[id]?.encoded ?? [:] where study.encoding.parts[part].kept?.digest != digest {
            if study.encoding.parts[part].pending == nil { fail("\(id) lost part \(part)") }
        }
        if !study.plan.mixesClasses, study.encoding.done > 0, study.numericsClass.isEmpty { fail("\(id) has pictures of no class") }
        for lease in coordinator.leases.values where !study.plan.mixesClasses && lease.id.work.study == id {
            if case .preview = lease.id.work { continue }
            guard coordinator.workers[lease.worker]?.numericsClass != study.numericsClass else { continue }
            fail("\(lease.id) of class \(study.numericsClass) is with \(lease.worker)")
        }
        for state in TrialState.allCases where study.counts[state] ?? 0 != study.trials.count(where: { $0.record.state == state }) {
            fail("\(id): miscounted trials")
        }
        let previews = coordinator.leases.keys.filter { if case .preview(let trial, _) = $0.work { trial.study == id } else { false } }
        if previews.count > 1 || previews.first != study.previews.lease { fail("\(id): \(previews.count) previews are made at a time") }
        if study.isPaused, coordinator.leases.keys.contains(where: { $0.work.study == id }) { fail("\(id) is paused and has leases") }
    }

    /// After the calm: everything that can be on disk is there, and nothing else goes on.
    mutating func checkEnds() {
        if !coordinator.boards.isEmpty { fail("boards stay open after the end") }
        for facts in disk.values {
            for trial in facts.trials where facts.state != .cancelled {
                for segment in trial.segments where facts.plan.wantsPreview(after: segment.fromStep, at: segment.toStep) {
                    let work = Work.preview(trial.record.trial, step: segment.toStep)
                    if trial.previews[segment.toStep] == nil, !abandoned.contains(work) { fail("\(work) was forgotten") }
                }
                if trial.record.state == .complete, trial.segments.contains(where: { $0.digest != "\(trial.record.trial) \($0.fromStep)" })
                {
                    // Wrong bits that came first count; the alarm said so, unless nobody computed them again.
                    continue
                }
            }
        }
    }
}
