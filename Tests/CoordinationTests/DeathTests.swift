// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Coordination

/// Dead or only out of reach: networks never count against work, processes that were replaced do.
struct DeathTests {
    /// Loses the worker while it computes, and lets its work go back to the queue.
    private func cutOff(_ worker: WorkerID, _ attempt: Int, _ bench: inout Bench) {
        bench.send(.workerHeartbeat(worker, holding: [progress(attempt, at: 1)]))
        bench.send(.workerUnreachable(worker))
        bench.pass(.seconds(5))
    }

    @Test func brokenConnectionsNeverCountAgainstATrial() {
        var bench = Bench()
        bench.send(.studySubmitted(Bench.plan))
        for attempt in 1...20 {
            let worker = WorkerID("w\(attempt)")
            bench.hello(worker)
            cutOff(worker, attempt, &bench)
        }
        #expect(bench.trial?.state == .waiting && bench.trial?.crashes == 0 && bench.trial?.attempt == 20)
    }

    @Test func processesThatAreReplacedFailTheTrialUnlessTheyReturn() {
        var bench = Bench()
        bench.send(.studySubmitted(Bench.plan))
        bench.hello(WorkerID("w1"), as: "cellar")
        for attempt in 1...4 {
            cutOff(WorkerID("w\(attempt)"), attempt, &bench)
            bench.hello(WorkerID("w\(attempt + 1)"), as: "cellar")
        }
        #expect(bench.trial?.crashes == 4 && bench.trial?.state == .running)
        // It was the network after all.
        bench.hello(WorkerID("w2"), as: "cellar")
        bench.send(.workerGoodbye(WorkerID("w2")))
        #expect(bench.trial?.crashes == 3)
        cutOff(WorkerID("w5"), 5, &bench)
        bench.hello(WorkerID("w6"), as: "cellar")
        cutOff(WorkerID("w6"), 6, &bench)
        #expect(bench.trial?.state == .waiting && bench.trial?.crashes == 4)
        bench.hello(WorkerID("w7"), as: "cellar")
        #expect(bench.trial?.state == .failed && bench.trial?.failure.contains("worker cellar vanished") == true)
    }

    @Test func aSuccessorThatComesBeforeTheLossIsNoticedCountsToo() {
        var bench = Bench()
        bench.send(.studySubmitted(Bench.plan))
        bench.hello(WorkerID("w1"), as: "cellar")
        bench.send(.workerHeartbeat(WorkerID("w1"), holding: [progress(1, at: 1)]))
        bench.now = bench.now + .seconds(1)
        bench.hello(WorkerID("w2"), as: "cellar")
        #expect(bench.trial?.crashes == 0)
        bench.pass(.seconds(17), alive: [WorkerID("w2"): []])
        #expect(bench.trial?.crashes == 1 && bench.trial?.worker == WorkerID("w2"))
    }

    @Test func workersOfOtherMachinesOrNamesAreNoSuccessors() {
        var bench = Bench()
        bench.send(.studySubmitted(Bench.plan))
        let worker = WorkerID("w1")
        bench.send(.workerHello(worker, WorkerDescription(name: "cellar", host: "box1", key: "k1")))
        bench.send(.workerHeartbeat(worker, holding: []))
        cutOff(worker, 1, &bench)
        for (name, host, key) in [("attic", "box1", "k1"), ("cellar", "box2", "k1"), ("cellar", "box1", "k2")] {
            bench.send(.workerHello(WorkerID(name + host + key), WorkerDescription(name: name, host: host, key: key)))
        }
        #expect(bench.trial?.crashes == 0)
        bench.send(.workerHello(WorkerID("w2"), WorkerDescription(name: "cellar", host: "box1", key: "k1")))
        #expect(bench.trial?.crashes == 1)
    }

    @Test func workersWithoutNamesAreReplacedByTheNextOfTheirMachine() {
        let (first, other) = (WorkerDescription(name: "box/12", processID: 12), WorkerDescription(name: "box/7", processID: 7))
        #expect(first.isInPlace(of: other) && !first.isInPlace(of: WorkerDescription(name: "box/7", processID: 8)))
    }

    @Test func aSliceThatKillsWorkersDoesNotTakeTheWholeFleet() {
        var bench = DataBench(slices: 1)
        let names = (0..<9).map { "w\($0)" }
        for name in names { bench.hello(name) }
        var dead: [String] = []
        while let victim = names.first(where: { !bench.slices($0).isEmpty }), dead.count < 9 {
            bench.send(.workerUnreachable(WorkerID(victim)))
            dead.append(victim)
        }
        #expect(dead.count == 5 && bench.trial?.state == .running)
        bench.pass(.seconds(5), silent: Set(names))
        // Out of reach, as far as anybody knows: somebody else tries.
        #expect(bench.trial?.state == .running && bench.trial?.crashes == 0 && names.contains { !bench.slices($0).isEmpty })
        for name in dead { bench.replace(name, by: "new \(name)") }
        #expect(bench.trial?.state == .failed && bench.trial?.failure.contains("vanished while it computed it") == true)
    }
}
