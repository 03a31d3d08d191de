// SPDX-License-Identifier: Apache-2.0

/// Lets a few programs run at once, so that tests which run in parallel do not time each other out.
private actor ProcessQueue {
    static let shared = ProcessQueue()

    private var free = 4
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func enter() async {
        if free > 0 {
            free -= 1
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    func leave() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}

extension ScratchFolder {
    /// Runs `pseudoword` in this folder to its end.
    @discardableResult
    package func run(
        _ arguments: String..., seconds: Double = 60, user: String = RunningProgram.defaultUser
    ) async throws -> Outcome {
        try await run(arguments, seconds: seconds, user: user)
    }

    @discardableResult
    package func run(
        _ arguments: [String], seconds: Double = 60, user: String = RunningProgram.defaultUser
    ) async throws -> Outcome {
        try await queued { try await RunningProgram.pseudoword(arguments, in: self, user: user).wait(seconds: seconds) }
    }

    /// Runs a shell script in which `$P` is `pseudoword`.
    @discardableResult
    package func shell(_ script: String, seconds: Double = 60) async throws -> Outcome {
        try await queued { try await RunningProgram.shell(script, in: self).wait(seconds: seconds) }
    }

    private func queued(_ body: () async throws -> Outcome) async throws -> Outcome {
        await ProcessQueue.shared.enter()
        do {
            let outcome = try await body()
            await ProcessQueue.shared.leave()
            return outcome
        } catch {
            await ProcessQueue.shared.leave()
            throw error
        }
    }
}
