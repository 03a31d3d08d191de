// SPDX-License-Identifier: Apache-2.0
private import CKernels
private import COpenBLAS
private import Synchronization

/// The machine that computes: threads, kernel variant, memory.
package enum Compute {
    /// Sets how many threads compute together.
    ///
    /// Results do not depend on it: however work is cut, every number is computed by the same instructions in the same order.
    package static func setThreads(_ count: Int) {
        prepare()
        pw_set_threads(Int32(clamping: count))
    }

    /// Keeps this process on some of the machine's processors; to be called before it has computed anything.
    ///
    /// - Returns: false when it may run on none of them.
    package static func stay(on processors: [Int]) -> Bool { pw_run_on(processors.map { Int32(clamping: $0) }, processors.count) == 0 }

    /// Settings of the environment that change the bits of results; empty when none is set.
    package static var settings: String {
        var all: [String] = []
        if backend != .own { all.append("backend \(backend.rawValue)") }
        if winograd != .worthwhile { all.append("winograd \(winograd.rawValue)") }
        if backend == .oneDNN, let forced = DirectConvolution.forced { all.append("convolution \(forced)") }
        return all.joined(separator: ", ")
    }

    package static var threads: Int { Int(pw_threads()) }

    /// What decides the bits of a result on this machine: the kernels' variant, and what else multiplies than they.
    package static var description: String {
        prepare()
        return String(cString: pw_variant()) + backendDescription + (settings.isEmpty ? "" : "; \(settings)")
    }

    /// Which 3x3 convolutions run by Winograd's algorithm: `PSEUDOWORD_WINOGRAD` is `off`, `all`, or anything else for those that are worth
    /// their memory.
    enum WinogradUse: String { case off, worthwhile, all }
    static let winograd = environment("PSEUDOWORD_WINOGRAD").flatMap(WinogradUse.init(rawValue:)) ?? .worthwhile

    /// What is kept in memory to save time.
    ///
    /// It changes no result.
    package enum Memory: String, Sendable, CaseIterable {
        /// Small weights in panels and Winograd's transformed weights, for both directions.
        case fast
        /// Nothing that can be made again at little cost; large intermediate results are computed again for the gradient.
        case lean
    }

    /// Fast, unless `PSEUDOWORD_MEMORY` says lean or it was set.
    package static var memory: Memory {
        get { lean.load(ordering: .relaxed) ? .lean : .fast }
        set { lean.store(newValue == .lean, ordering: .relaxed) }
    }

    private static let lean = Atomic<Bool>(environment("PSEUDOWORD_MEMORY") == Memory.lean.rawValue)

    /// Multiplications and additions of all matrix products since the program started, the attention's and the convolutions' included.
    ///
    /// Winograd's convolutions count as direct ones: the number says how much work was done, not by which way.
    package static var countedOperations: Int { operations.load(ordering: .relaxed) }

    static func count(_ m: Int, _ n: Int, _ k: Int) { operations.add(2 * m * n * k, ordering: .relaxed) }

    /// Adds what a shorter way left out.
    static func countSaved(_ count: Int) { operations.add(count, ordering: .relaxed) }

    private static let operations = Atomic<Int>(0)

    package static var peakResidentBytes: Int { Int(pw_peak_resident_bytes()) }

    /// OpenBLAS stays single-threaded: our own pool cuts the work, so that no sum depends on the number of threads.
    static func prepare() { _ = prepared }

    private static let prepared: Void = {
        pw_keep_freed_memory()
        openblas_set_num_threads(1)
    }()
}

/// A grow-only buffer of the calling thread, see `pw_scratch`.
func scratch(_ slot: Int32, _ count: Int) -> UnsafeMutablePointer<Float> {
    guard let memory = pw_scratch(slot, count) else { preconditionFailure("out of memory: \(count * 4) bytes of scratch") }
    return memory
}

/// Runs `task(0) ... task(count - 1)` on the pool.
///
/// Tasks must write to disjoint memory.
func parallel(_ count: Int, _ task: (Int) -> Void) {
    withoutActuallyEscaping(task) { escaping in
        var box: (Int) -> Void = escaping
        withUnsafeMutablePointer(to: &box) { context in
            pw_parallel(
                Int32(count), { pointer, index in pointer?.assumingMemoryBound(to: ((Int) -> Void).self).pointee(Int(index)) }, context)
        }
    }
}

/// Cuts `count` items into pieces of at least `minimum` items, at most 64 pieces, and runs them on the pool.
///
/// The pieces depend on `count` and `minimum` alone, never on the number of threads.
func parallelRanges(_ count: Int, minimum: Int, _ body: (Range<Int>) -> Void) {
    guard count > 0 else { return }
    let pieces = max(1, min(64, count / max(1, minimum)))
    parallel(pieces) { piece in body(count * piece / pieces..<count * (piece + 1) / pieces) }
}
