// SPDX-License-Identifier: Apache-2.0

import Coordination

/// What befalls the fleet from time to time.
extension Simulator {
    mutating func fault() {
        guard !isCalm else { return }
        agenda.add(.fault, at: now + Int64(200 + random.below(6000)))
        let kinds: [Fault] = [.partition, .clockJump, .kill, .stall, .diskRefusal, .command]
        let fault = kinds[random.below(kinds.count)]
        guard options.faults.contains(fault), !workers.isEmpty else { return }
        let worker = random.below(workers.count)
        switch fault {
        case .partition:
            for worker in workers.indices where random.oneIn(2) { workers[worker].isCutOff = true }
            agenda.add(.healed, at: now + Int64(500 + random.below(25_000)))
        case .clockJump:
            // A clock that runs backwards shows at its next reading; one that leaps may do so by minutes.
            clockOffset += random.oneIn(3) ? -Int64(random.below(5000)) : Int64(random.below(300_000))
            nextTick = nil
            agenda.add(.tick, at: now + 1)
            nextTick = now + 1
        case .kill:
            guard workers[worker].isAlive else { return }
            bury(worker)
            // The operating system closes its connection; a box that loses power does not.
            if random.oneIn(2) { send(.unreachable, from: worker) }
        case .stall: workers[worker].stalledUntil = now + Int64(random.below(30_000))
        case .diskRefusal:
            diskRefusesUntil = now + Int64(random.below(6000))
            return
        case .command: someCommand(worker)
        default: return
        }
        note(fault)
    }

    private mutating func someCommand(_ worker: Int) {
        let study = StudyID(Int64(1 + random.below(studies.count)))
        let trial = TrialID(study: study, index: random.below(studies[study]?.plan.trialCount ?? 1))
        switch random.below(7) {
        case 0: command(.studyPaused(study))
        case 1: command(.studyResumed(study))
        case 2: command(.studyPrioritized(study, random.below(5) - 2))
        case 3: command(.workerDrained(workers[worker].id))
        case 4: command(.trialPaused(trial))
        default: command(.trialResumed(trial))
        }
    }

    /// No more faults: the network is whole, the disk writes, and what was paused goes on.
    mutating func calm() {
        isCalm = true
        diskRefusesUntil = 0
        for worker in workers.indices {
            workers[worker].isCutOff = false
            workers[worker].stalledUntil = min(workers[worker].stalledUntil, now)
        }
        guard owner != nil else { return agenda.add(.calm, at: now + 500) }
        for facts in ledger.allFacts {
            if facts.isPaused { command(.studyResumed(facts.plan.id)) }
            for trial in facts.trials where trial.record.state == .paused { command(.trialResumed(trial.record.trial)) }
        }
    }
}
