// SPDX-License-Identifier: Apache-2.0

import Simulation
import Testing

@testable import Coordination

/// Seeded walks through a world where everything goes wrong, with the promises of `Coordinator` checked after every event.
struct RandomWalkTests {
    @Test(arguments: Walk.seeds)
    func promisesHoldAndEveryStudyEnds(seed: UInt64) {
        var world = World(seed: seed)
        for _ in 0..<2500 where world.failure == nil { world.disturb() }
        world.calmDown()
        if let failure = world.failure { Issue.record("seed \(seed), event \(world.eventCount): \(failure)") }
    }
}

enum Walk {
    /// Debug builds are slow; release builds walk further.
    static var seeds: ClosedRange<UInt64> {
        #if DEBUG
            1...12
        #else
            1...200
        #endif
    }
}

/// A worker process: the leases it holds, in the order of their grants, and how far it is.
struct Process {
    /// Another process may come in its place under the same name.
    let name: String
    let numericsClass: String
    var held: [(grant: Grant, step: Int)] = []

    var holding: [LeaseProgress] { held.map { LeaseProgress(lease: $0.grant.lease, step: $0.step) } }

    mutating func drop(_ lease: LeaseID) { held.removeAll { $0.grant.lease == lease } }
}

/// The owner's numbers of an open `parallel: data` trial.
struct OpenTrial {
    var plan: StepPlan?
    var kept: [Int: String] = [:]
    var isClosing = false
}

/// A promise that the world keeps later: what the disk or the owner answers.
enum Answer {
    case persist(SegmentReport, Shelf)
    case persistPiece(PieceReport)
    case event(Event, of: TrialID)
}

struct World {
    var random: SplitMix64
    var coordinator: Coordinator
    var now = Instant(milliseconds: 0)
    var disk: [StudyID: StudyFacts] = [:]
    var processes: [WorkerID: Process] = [:]
    /// Actions that are not answered yet.
    var queue: [Answer] = []
    /// Every result ever sent: any of them may arrive again.
    var sent: [Event] = []
    var upcoming: [Event] = []
    var open: [TrialID: OpenTrial] = [:]
    var granted: [Work: Int] = [:]
    var trained: [TrialID: Int] = [:]
    var ended: [TrialID: TrialRecord] = [:]
    var steps: [TrialID: Int] = [:]
    var abandoned: Set<Work> = []
    var born = 0
    /// Names of processes that died.
    var vacant: [String] = []
    var eventCount = 0
    var failure: String?
    var isCalm = false

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
        coordinator = Coordinator(at: Instant(milliseconds: 0))
    }

    mutating func chance(_ percent: Int) -> Bool { !isCalm && Int.random(in: 0..<100, using: &random) < percent }

    mutating func someone() -> WorkerID? { processes.keys.sorted().randomElement(using: &random) }

    mutating func fail(_ message: String) {
        if failure == nil { failure = message }
    }

    mutating func event(_ event: Event) {
        guard failure == nil else { return }
        // First in, first out: what comes of an action is told when the other actions are carried out.
        upcoming.append(event)
        guard upcoming.count == 1 else { return }
        while let next = upcoming.first, failure == nil {
            eventCount += 1
            for action in coordinator.handle(next, at: now) { perform(action) }
            checkInvariants()
            upcoming.removeFirst()
        }
    }
}
