// SPDX-License-Identifier: Apache-2.0

/// An open trial of a `parallel: data` study: its members, and the slices of its present step.
struct Board: Sendable {
    enum Phase: Sendable {
        /// The owner reads the trial's state.
        case opening
        /// Slices are computed.
        case open
        /// Every slice is kept; the owner takes the step.
        case closing
        /// The segment is on its way to the disk.
        case persisting
        /// The disk refused the segment; it is tried again.
        case refused
    }

    /// One slice of the present step.
    struct Place: Sendable {
        /// The first answer.
        var kept: KeptPiece?
        /// Leases in force, oldest first.
        var leases: [LeaseID] = []
        var crashes = 0
        /// Who failed at it; others are asked first.
        var failedBy: [WorkerID] = []
        /// Whose connection broke while they computed it; not known yet whether they died of it.
        var suspected: [WorkerID] = []
    }

    /// What a member has to do.
    struct Seat: Sendable {
        /// Slices granted and not answered, in the order of their grants, which is the order in which the worker computes them.
        var queue: [Int] = []
        /// When it began the first of `queue`, as far as one can tell from here.
        var started = Instant(milliseconds: 0)
        /// It had nothing to do when `queue` was granted: the first answer includes the way there and back.
        var isFresh = true
    }

    let trial: TrialID
    /// Of its members: the bits of the steps since the last segment are of this class.
    let numericsClass: String
    var phase = Phase.opening
    /// In the order of joining, which is the order of their shares.
    private(set) var members: [WorkerID] = []
    var seats: [WorkerID: Seat] = [:]
    var plan: StepPlan?
    var places: [Place] = []
    /// Places without an answer and without a lease.
    var free: Set<Int> = []
    var keptCount = 0
    /// Slices that stand behind another one in a member's queue: what could be taken over.
    private(set) var backlog = 0
    /// Slices of a gradient step; 1 before the first one.
    var width = 1
    /// Workers may join, and slices are handed out.
    var isAccepting = true
    /// Since when it has no members.
    var emptySince: Instant?
    /// A timer for stragglers is set.
    var checkAt: Instant?
    private var paces: [StepPlan.Kind: Pace] = [:]
    /// When the present step was opened, and steps per second, smoothed.
    private(set) var opened: Instant?
    private(set) var stepsPerSecond: Double?

    init(_ trial: TrialID, numericsClass: String) {
        self.trial = trial
        self.numericsClass = numericsClass
    }

    var isComplete: Bool { !places.isEmpty && keptCount == places.count }
    /// Some of its slices are computed right now.
    var isBusy: Bool { phase == .open && keptCount + free.count < places.count }

    // MARK: - Members

    /// How many slices the busiest of `count` members has.
    private func cost(_ count: Int) -> Int { count == 0 ? .max : (width + count - 1) / count }

    /// What one more member saves.
    var gain: Int { members.isEmpty ? .max : cost(members.count) - cost(members.count + 1) }
    /// What one member less costs.
    var loss: Int { members.count < 2 ? .max : cost(members.count - 1) - cost(members.count) }
    var hasRoom: Bool { isAccepting && members.count < width }

    mutating func join(_ worker: WorkerID) {
        guard seats[worker] == nil else { return }
        members.append(worker)
        seats[worker] = Seat()
        emptySince = nil
    }

    /// Its leases have to be ended first.
    mutating func leave(_ worker: WorkerID, at now: Instant) {
        members.removeAll { $0 == worker }
        backlog -= max(0, (seats[worker]?.queue.count ?? 0) - 1)
        seats[worker] = nil
        if members.isEmpty { emptySince = now }
    }

    // MARK: - Steps

    /// Whether the owner's answer fits what it was asked.
    func canOpen(_ next: StepPlan, recorded step: Int) -> Bool {
        switch phase {
        case .opening: next.step == step
        case .closing: plan.map { next != $0 && next.step >= $0.step } ?? false
        case .open, .persisting, .refused: false
        }
    }

    mutating func open(_ next: StepPlan, crashes: Int, at now: Instant) {
        if let opened, let plan, plan.step < next.step, now > opened {
            let rate = Double(next.step - plan.step) / (now - opened).inSeconds
            stepsPerSecond = stepsPerSecond.map { $0 * 0.8 + rate * 0.2 } ?? rate
        }
        if plan?.step != next.step || opened == nil { opened = now }
        plan = next
        phase = .open
        places = Array(repeating: Place(crashes: crashes), count: next.slices)
        free = Set(0..<next.slices)
        keptCount = 0
        if next.kind == .gradient || width == 1 { width = next.slices }
    }

    /// The open step and the slice if `work` is one of its slices; nil for slices of other steps.
    func slice(of work: Work) -> Int? {
        guard phase == .open || phase == .closing, let plan else { return nil }
        switch work {
        case .gradient(trial, plan.step, let slice) where plan.kind == .gradient && places.indices.contains(slice): return slice
        case .evaluate(trial, plan.step, let slice) where plan.kind == .evaluate && places.indices.contains(slice): return slice
        default: return nil
        }
    }

    // MARK: - Leases

    mutating func granted(_ lease: LeaseID, slice: Int, to worker: WorkerID, at now: Instant) {
        places[slice].leases.append(lease)
        free.remove(slice)
        if seats[worker]?.queue.isEmpty ?? false {
            seats[worker]?.started = now
            seats[worker]?.isFresh = true
        } else if seats[worker] != nil {
            backlog += 1
        }
        seats[worker]?.queue.append(slice)
    }

    /// The lease ended; unless its place is kept or somebody else has it, it is free again.
    mutating func release(_ slice: Int, lease: LeaseID, worker: WorkerID, at now: Instant) {
        guard self.slice(of: lease.work) != nil else { return }
        places[slice].leases.removeAll { $0 == lease }
        if places[slice].kept == nil, places[slice].leases.isEmpty { free.insert(slice) }
        guard let place = seats[worker]?.queue.firstIndex(of: slice) else { return }
        seats[worker]?.queue.remove(at: place)
        if !(seats[worker]?.queue.isEmpty ?? true) { backlog -= 1 }
        if place == 0 {
            seats[worker]?.started = now
            seats[worker]?.isFresh = false
        }
    }

    mutating func keep(_ slice: Int, _ report: SliceReport, numericsClass: String, at now: Instant) {
        places[slice].kept = KeptPiece(digest: report.digest, worker: report.worker, numericsClass: numericsClass)
        free.remove(slice)
        keptCount += 1
        guard report.seconds.isFinite, report.seconds > 0, let kind = plan?.kind else { return }
        let seat = seats[report.worker]
        let isFirst = seat?.isFresh ?? false && seat?.queue.first == slice
        let delay = isFirst ? max(0, (now - (seat?.started ?? now)).inSeconds - report.seconds) : nil
        paces[kind, default: Pace()].add(report.seconds, delay: delay)
    }

    mutating func forgiveCrash(of work: Work) {
        if let slice = slice(of: work) { places[slice].crashes = max(0, places[slice].crashes - 1) }
    }

    mutating func forgiveGap(at now: Instant) {
        for worker in members where !(seats[worker]?.queue.isEmpty ?? true) { seats[worker]?.started = now }
    }

    // MARK: - Times

    /// The median time of a slice; nil before the first answer.
    var sliceTime: Duration? { plan.flatMap { paces[$0.kind]?.median } }

    /// How long the first slice of a member may take before somebody else is asked too; nil before the first answer.
    func patience(factor: Double) -> Duration? { plan.flatMap { paces[$0.kind]?.patience(factor: factor) } }
}

/// How long slices took lately.
struct Pace: Sendable {
    private static let memory = 32
    private var seconds: [Double] = []
    private var delays: [Double] = []
    private var next = 0
    private var nextDelay = 0

    mutating func add(_ value: Double, delay: Double?) {
        Self.put(value, into: &seconds, at: &next)
        if let delay { Self.put(delay, into: &delays, at: &nextDelay) }
    }

    private static func put(_ value: Double, into ring: inout [Double], at next: inout Int) {
        if ring.count < memory { ring.append(value) } else { ring[next % memory] = value }
        next = (next + 1) % memory
    }

    var median: Duration? { Self.median(seconds).map { .milliseconds(Int64(min($0 * 1000, 1e15))) } }

    /// A multiple of what is usual, the way there and back included, and a little for the clock's ticks.
    func patience(factor: Double) -> Duration? {
        Self.median(seconds).map { usual in
            let total = factor * (usual + (Self.median(delays) ?? 0))
            return .milliseconds(Int64(min(total * 1000, 1e15)) + 25)
        }
    }

    private static func median(_ values: [Double]) -> Double? {
        values.isEmpty ? nil : values.sorted()[values.count / 2]
    }
}
