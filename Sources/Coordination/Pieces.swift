// SPDX-License-Identifier: Apache-2.0

/// The pictures of a study on their way to latent moments, part by part.
struct Encoding: Sendable {
    struct Part: Sendable {
        var kept: KeptPiece?
        var lease: LeaseID?
        var pending: PieceReport?
        /// Crashes of its workers; nothing on disk, since the next coordinator may have better luck.
        var crashes = 0
        var vanished: Set<WorkerID> = []
    }

    private(set) var parts: [Part]
    private(set) var todo = IndexQueue()
    private(set) var done = 0
    /// Not granted before a timer clears this: workers of an earlier coordinator can show what they have begun.
    var notBefore: Instant?
    /// Attempt numbers given to its parts.
    var attempts = 0

    init(parts count: Int, encoded: [Int: String], numericsClass: String?) {
        parts = (0..<count).map { Part(kept: encoded[$0].map { KeptPiece(digest: $0, numericsClass: numericsClass) }) }
        for index in parts.indices {
            if parts[index].kept == nil { todo.insert(index) } else { done += 1 }
        }
    }

    var isComplete: Bool { done == parts.count }
    var isWanting: Bool { notBefore == nil && !todo.isEmpty }
    /// Somebody works on a part, may claim one, or has just brought one.
    var isUnderway: Bool { notBefore != nil || done + todo.count < parts.count }

    mutating func update(_ index: Int, _ change: (inout Part) -> Void) {
        guard parts.indices.contains(index) else { return }
        if parts[index].kept != nil { done -= 1 }
        change(&parts[index])
        let part = parts[index]
        if part.kept != nil { done += 1 }
        if part.kept == nil, part.lease == nil, part.pending == nil { todo.insert(index) } else { todo.remove(index) }
    }
}

/// A piece that is on disk.
struct KeptPiece: Sendable {
    let digest: String
    /// nil if an earlier coordinator took it.
    var worker: WorkerID?
    /// Whose bits it is; nil if that is not known.
    var numericsClass: String?
    /// Other digests that were offered for it; each one raised the alarm once.
    var offered: Set<String> = []
}

/// The previews of a study that are still to be made.
struct Previews: Sendable {
    struct Key: Hashable, Comparable, Sendable {
        let trial: Int
        let step: Int

        static func < (left: Key, right: Key) -> Bool { (left.step, left.trial) < (right.step, right.trial) }
    }

    struct Entry: Sendable {
        let key: Key
        var failures = 0
        var pending: PieceReport?
    }

    /// In the order in which they are made: one that failed goes to the end.
    var wanted: [Entry] = []
    /// At most one is made at a time.
    var lease: LeaseID?
    var attempts = 0
    /// Who made those that are on disk, as far as this coordinator knows, and what else was offered for them.
    var kept: [Key: KeptPiece] = [:]

    /// The next one to hand out.
    var next: Entry? { lease == nil ? wanted.first { $0.pending == nil } : nil }
    var isWanting: Bool { next != nil }

    func entry(_ key: Key) -> Entry? { wanted.first { $0.key == key } }

    mutating func update(_ key: Key, _ change: (inout Entry) -> Void) {
        if let index = wanted.firstIndex(where: { $0.key == key }) { change(&wanted[index]) }
    }
}

extension StudyPlan {
    /// Whether a picture is wanted of the state after a segment: it is the first one on disk past a multiple of the interval.
    package func wantsPreview(after fromStep: Int, at toStep: Int) -> Bool {
        previewEvery.map { toStep / $0 > fromStep / $0 } ?? false
    }
}
