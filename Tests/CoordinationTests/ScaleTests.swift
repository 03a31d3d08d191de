// SPDX-License-Identifier: Apache-2.0

import Simulation
import Testing

@testable import Coordination

/// The cost of an event does not depend on how many trials and workers there are.
@Suite(.serialized) struct ScaleTests {
    private static func fleet(trials: Int, workers: Int) -> (Coordinator, [Grant]) {
        var coordinator = Coordinator(at: Instant(milliseconds: 0))
        var grants: [Grant] = []
        for study in 1...10 {
            let plan = StudyPlan(id: StudyID(Int64(study)), name: "s\(study)", trialCount: trials / 10, steps: 1000, segmentSteps: 10)
            grants += coordinator.handle(.studySubmitted(plan), at: Instant(milliseconds: 0)).grants
        }
        for worker in 0..<workers {
            let id = WorkerID("worker-\(worker)")
            grants +=
                coordinator.handle(.workerHello(id, WorkerDescription(name: "w", numericsClass: "x")), at: Instant(milliseconds: 0)).grants
            grants += coordinator.handle(.workerHeartbeat(id, holding: []), at: Instant(milliseconds: 0)).grants
        }
        return (coordinator, grants)
    }

    @Test func aLeaseCycleIsCheapWithThousandsOfTrialsAndWorkers() {
        var (coordinator, grants) = Self.fleet(trials: 10_000, workers: 1000)
        #expect(grants.count == 1000)
        let cycles = 20_000
        let clock = ContinuousClock()
        let duration = clock.measure {
            for cycle in 0..<cycles {
                let grant = grants[cycle % grants.count]
                guard case .train(let trial) = grant.lease.work else { return }
                let now = Instant(milliseconds: Int64(cycle / 10))
                let report = SegmentReport(
                    worker: grant.worker, trial: trial, attempt: grant.lease.attempt, fromStep: grant.fromStep, toStep: grant.toStep,
                    digest: "0123456789abcdef", finished: false)
                _ = coordinator.handle(.segmentResult(report), at: now)
                let actions = coordinator.handle(.resultPersisted(report, .segment), at: now)
                if let next = actions.grants.first { grants[cycle % grants.count] = next }
            }
        }
        let micros = duration.inSeconds * 1e6 / Double(cycles)
        print("a lease cycle takes \(micros) µs with 10000 trials and 1000 workers")
        #expect(coordinator.snapshot(now: Instant(milliseconds: 0)).studies.reduce(0) { $0 + $1.stepsDone } == cycles * 10)
        #if !DEBUG
            #expect(micros < 400)
        #endif
    }

    @Test func heartbeatsAndTicksAreCheap() {
        var (coordinator, grants) = Self.fleet(trials: 10_000, workers: 1000)
        let rounds = 20
        let clock = ContinuousClock()
        let duration = clock.measure {
            for round in 1...rounds {
                for (index, grant) in grants.enumerated() {
                    let now = Instant(milliseconds: Int64(round * 2000 + index))
                    let progress = LeaseProgress(lease: grant.lease, step: grant.fromStep + 1, stepsPerSecond: 1)
                    _ = coordinator.handle(.workerHeartbeat(grant.worker, holding: [progress]), at: now)
                    _ = coordinator.handle(.tick, at: now)
                }
            }
        }
        let micros = duration.inSeconds * 1e6 / Double(rounds * grants.count)
        print("a heartbeat and a tick take \(micros) µs with 10000 trials and 1000 workers")
        let picture = clock.measure { #expect(coordinator.snapshot(now: Instant(milliseconds: 60_000)).workers.count == 1000) }
        print("a snapshot takes \(picture.inSeconds * 1000) ms")
        #expect(coordinator.workers.values.allSatisfy { $0.state == .connected })
        #if !DEBUG
            #expect(micros < 100)
        #endif
    }

    @Test func slicesAreCheapWithManyWorkers() {
        let plan = StudyPlan(id: StudyID(1), name: "s", trialCount: 1, steps: 1_000_000, segmentSteps: 1_000_000, parallelism: .data)
        var bench = DataBench([plan], slices: 64)
        for worker in 0..<64 { bench.hello("w\(worker)") }
        // The first step is begun by one worker; from the second on everyone has its share.
        while bench.coordinator.boards[DataBench.trial]?.plan?.step == 0 { for worker in 0..<64 { bench.answer("w\(worker)") } }
        let steps = 200
        let clock = ContinuousClock()
        let duration = clock.measure {
            for _ in 0..<steps { for worker in 0..<64 { bench.answer("w\(worker)", seconds: 0.1) } }
        }
        #expect(bench.coordinator.boards[DataBench.trial]?.plan?.step == steps + 1)
        let micros = duration.inSeconds * 1e6 / Double(steps * 64)
        print("a slice takes \(micros) µs with 64 members")
        #if !DEBUG
            #expect(micros < 400)
        #endif
    }
}

struct IndexQueueTests {
    @Test func itKeepsTheLowestFirst() {
        var queue = IndexQueue()
        var expected: Set<Int> = []
        var random = SplitMix64(seed: 7)
        for _ in 0..<5000 {
            let index = Int.random(in: 0..<300, using: &random)
            if Bool.random(using: &random) {
                queue.insert(index)
                expected.insert(index)
            } else {
                queue.remove(index)
                expected.remove(index)
            }
            #expect(queue.first == expected.min() && queue.count == expected.count)
            #expect(queue.first(after: index) == expected.filter { $0 > index }.min())
        }
    }

    @Test func timersComeInOrder() {
        var timers = Timers()
        for (number, at) in [5, 3, 9, 3, 1, 7].enumerated() {
            timers.set(.study(StudyID(Int64(number))), at: Instant(milliseconds: Int64(at)))
        }
        var taken: [Int64] = []
        while let timer = timers.take(until: Instant(milliseconds: 7)) {
            if case .study(let id) = timer.subject { taken.append(id.rawValue) }
        }
        #expect(taken == [4, 1, 3, 0, 5] && timers.next == Instant(milliseconds: 9))
    }
}
