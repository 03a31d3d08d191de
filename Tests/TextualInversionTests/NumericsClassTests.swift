// SPDX-License-Identifier: Apache-2.0
import Foundation
import Tensors
import Testing

@testable import TextualInversion

@Suite(.serialized) struct NumericsClassTests {
    @Test func digestDoesNotDependOnThreads() {
        let before = Compute.threads
        defer { Compute.setThreads(before) }
        let digests = [1, 2, 3, 1].map { threads in
            Compute.setThreads(threads)
            return NumericsClass.digest()
        }
        #expect(Set(digests).count == 1)
        #expect(digests[0].utf8.count == 16 && digests[0].allSatisfy { $0.isHexDigit && !$0.isUppercase })
    }

    @Test func digestIsSoonThere() {
        let started = threadSeconds()
        _ = NumericsClass.digest()
        #expect(threadSeconds() - started < 3, "a quarter of a second on a fast machine")
    }

    /// The variant is chosen once in a process, so another one needs a process of its own.
    @Test func otherKernelsAreAnotherClass() async throws {
        let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            setenv("PSEUDOWORD_CPU", "baseline", 1)
            precondition(Compute.description.hasPrefix("baseline"))
            print("digest=\(NumericsClass.digest()) again=\(NumericsClass.digest())")
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        let parts = try #require(output.split(separator: "\n").first { $0.hasPrefix("digest=") }).split(separator: " ")
        #expect(parts[0].dropFirst("digest=".count) == parts[1].dropFirst("again=".count))
        if !Compute.description.hasPrefix("baseline") { #expect(parts[0] != "digest=\(NumericsClass.digest())") }
    }
}
