// SPDX-License-Identifier: Apache-2.0

import Coordination
package import Foundation
package import Logging
import Synchronization
import WireMessages
package import ZeroMQ

/// How a worker runs.
package struct WorkerOptions: Sendable {
    package var coordinator: Endpoint
    /// Other addresses of the same coordinator, for when it does not answer there.
    package var alternatives: [Endpoint] = []
    /// What people call it; `host/pid` if nobody says.
    package var name: String
    package var host: String
    package var threads: Int
    /// The kind of CPU, for people and to tell apart machines whose bits may differ.
    package var cpu: String
    package var memoryBytes: UInt64
    /// The program with its version, for people.
    package var program: String
    /// Workers of one class give the same bits.
    package var numericsClass = ""
    /// How this worker shows who it is, and knows its coordinator.
    package var security = SocketSecurity.none
    /// Files by content; may be shared by the workers of a machine.
    package var cache: URL
    package var cacheLimitBytes: Int64 = 40 << 30
    /// Where results wait for their acknowledgement; nil: in memory only.
    package var outbox: URL?
    package var logger: Logger
    /// The first and the longest wait before an unanswered hello is said again.
    package var retry: ClosedRange<Duration> = .seconds(1) ... .seconds(5)
    /// How long a stop waits for the step that is being computed.
    package var patience: Duration = .seconds(10)

    package init(
        coordinator: Endpoint, name: String, threads: Int, cpu: String, program: String, host: String = ProcessInfo.processInfo.hostName,
        memoryBytes: UInt64 = ProcessInfo.processInfo.physicalMemory, cache: URL, logger: Logger
    ) {
        self.coordinator = coordinator
        self.name = name
        self.threads = threads
        self.cpu = cpu
        self.program = program
        self.host = host
        self.memoryBytes = memoryBytes
        self.cache = cache
        self.logger = logger
    }
}

extension WorkerOptions {
    /// All addresses of the coordinator, the most likely one first.
    var endpoints: [Endpoint] { [coordinator] + alternatives.filter { $0 != coordinator } }
}

/// Why a worker has ended.
package enum WorkerEnd: Sendable, Hashable {
    /// It was told to, here or by the coordinator.
    case stopped
    /// The coordinator does not want it: its key, or the role that the key has; the text says why.
    case denied(String)
    /// It does not fit the coordinator, as a program: trying again cannot help; the text says why.
    case failed(String)
}

/// A running worker: one thread that talks, one that computes.
///
/// It owns nothing that cannot be lost: killed at any moment, it costs the steps since the last segment. A result that the coordinator
/// has not acknowledged is held and sent again, also to a coordinator that was restarted.
package final class WorkerService: Sendable {
    /// Stays the same over all connections of this process.
    package let id: String
    private let options: WorkerOptions
    private let compute: ComputeThread
    private let files: WorkerFiles
    private let loop: SocketLoop<WorkerHandler>
    private let shared: SharedWorkerState

    package init(_ options: WorkerOptions, trainer: any Trainer) {
        let id = UUID().uuidString.lowercased()
        let shared = SharedWorkerState()
        let files = WorkerFiles(folder: options.cache, limitBytes: options.cacheLimitBytes)
        // The loop and the compute thread need each other; the box is filled before either runs.
        let finished = LoopBox<WorkerHandler>()
        let compute = ComputeThread(trainer: trainer, files: files) { job, outcome in
            finished.loop?.post { handler, context in handler.computed(job, outcome, &context) }
        }
        let loop = SocketLoop<WorkerHandler>(name: "worker", tickInterval: .milliseconds(50)) { context in
            try WorkerHandler(options, id: id, compute: compute, files: files, shared: shared, &context)
        }
        finished.loop = loop
        self.id = id
        self.options = options
        self.compute = compute
        self.files = files
        self.loop = loop
        self.shared = shared
    }

    /// Starts to look for the coordinator; returns at once, whether it is there or not.
    package func start() throws {
        compute.start()
        do {
            try loop.start()
        } catch {
            compute.stop(waiting: .zero)
            throw error
        }
    }

    /// Finishes what it has, takes nothing new, and then ends by itself.
    package func drain() {
        loop.post { handler, context in handler.drain(&context) }
    }

    /// Gives its work back, says goodbye and returns when both threads have ended, or `WorkerOptions.patience` has passed.
    package func stop() {
        loop.post { handler, context in handler.leave("the worker stops", &context) }
        loop.stop()
        compute.stop(waiting: options.patience)
        files.stop()
    }

    /// Waits until the worker has ended by itself or was stopped.
    package func waitUntilStopped() async -> WorkerEnd {
        await loop.waitUntilStopped()
        compute.stop(waiting: options.patience)
        files.stop()
        return shared.end.withLock { $0 }
    }

    /// Ends as if the process were killed: no goodbye, nothing sent.
    ///
    /// For tests.
    func kill() {
        loop.post { handler, context in
            handler.isKilled = true
            context.stop()
        }
        loop.stop()
        compute.stop(waiting: options.patience)
    }
}

/// What a worker's talking thread leaves for others.
final class SharedWorkerState: Sendable {
    let end = Mutex(WorkerEnd.stopped)
    let wasWelcome = Atomic<Bool>(false)
}
