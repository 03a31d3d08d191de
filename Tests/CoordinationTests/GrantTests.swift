// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Coordination

/// Grants that cannot be put into a message concern their own trial only.
struct GrantTests {
    private let two = StudyPlan(id: StudyID(1), name: "s", trialCount: 2, steps: 4, segmentSteps: 2)

    @Test func aTrialThatCannotBeReadFailsAndTheNextOneIsServed() {
        var bench = started(two)
        _ = bench.take()
        bench.send(.grantImpossible(lease(1), .input, message: "its last result cannot be read"))
        #expect(bench.trial?.state == .failed && bench.trial?.failure == "its last result cannot be read")
        #expect(bench.take().grants.map(\.lease) == [lease(1, 1)])
    }

    @Test func oneThatMayBeReadableLaterIsHeldAndGivenUpInTheEnd() {
        var bench = started(two)
        for attempt in 1...5 {
            bench.send(.grantImpossible(lease(attempt), .internal, message: "input/output error"))
            if attempt == 1 { #expect(bench.trial?.state == .waiting && bench.worker(ada)?.lease == lease(1, 1)) }
            bench.send(.segmentResult(report(ada, 1, 0, 2, index: 1)))
            bench.send(.segmentResult(report(ada, 2, 2, 4, index: 1)))
            bench.pass(.seconds(5), alive: [ada: []])
        }
        #expect(bench.trial?.state == .failed)
        #expect(bench.trial?.failure == "train 1.0 could not be handed out 5 times; the last time: input/output error")
    }

    @Test func slicesAndPicturesAreTreatedAlike() {
        var bench = DataBench()
        bench.hello("a")
        if let slice = bench.held[WorkerID("a")]?.last { bench.send(.grantImpossible(slice, .input, message: "too large")) }
        #expect(bench.trial?.state == .failed && bench.trial?.failure == "too large" && bench.members().isEmpty)
        var other = started(StudyPlan(id: StudyID(1), name: "s", trialCount: 1, steps: 4, segmentSteps: 2, encodeParts: 1))
        other.send(.grantImpossible(LeaseID(.encode(StudyID(1), part: 0), attempt: 1), .internal, message: "no"))
        #expect(other.state == .running && other.worker(ada)?.lease == nil)
        other.pass(.seconds(5), alive: [ada: []])
        #expect(other.worker(ada)?.lease != nil)
        other.send(.grantImpossible(LeaseID(.encode(StudyID(1), part: 0), attempt: 2), .input, message: "no"))
        #expect(other.state == .failed)
    }

    @Test func noSegmentIsTooLongForAMessage() {
        let plan = StudyPlan(id: StudyID(1), name: "s", trialCount: 1, steps: 1_000_000, segmentSteps: 1_000_000)
        #expect(plan.segmentEnd(after: 0) == 10_000 && plan.segmentEnd(after: 995_000) == 1_000_000)
    }
}
