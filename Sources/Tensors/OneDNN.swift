private import CKernels
// SPDX-License-Identifier: Apache-2.0
internal import COneDNN
private import COpenBLAS
private import Glibc
private import Synchronization

/// What multiplies matrices: our own kernels, or a library to hold them against.
package enum Backend: String, Sendable, CaseIterable {
    case own
    case oneDNN = "onednn"
    case blas

    /// What `PSEUDOWORD_BACKEND` names, if the program was built with it; otherwise our own.
    static let chosen: Backend = {
        let wanted = environment("PSEUDOWORD_BACKEND").flatMap(Backend.init(rawValue:)) ?? .own
        return wanted == .oneDNN && pw_dnn_version() == 0 ? .own : wanted
    }()
}

func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

extension Compute {
    package static var backend: Backend { Backend.chosen }

    /// The library that multiplies, with its version; empty for our own kernels.
    static var backendDescription: String {
        let version = pw_dnn_version()
        return switch backend {
        case .own: ""
        case .oneDNN: "; oneDNN \(version / 10000).\(version / 100 % 100).\(version % 100)"
        case .blas: "; OpenBLAS \(String(cString: openblas_get_corename()))"
        }
    }
}

/// An operation of oneDNN at one shape: made once, kept as long as the program runs, executed by any thread.
struct DNNPlan: @unchecked Sendable {
    private let pointer: OpaquePointer

    private static let convolutions = Mutex<[Key: DNNPlan?]>([:])

    /// The fields of a shape as one value that can be looked up.
    private struct Key: Hashable {
        let fields: [Int64]
    }

    /// Nil when oneDNN cannot do it on this processor.
    static func convolution(_ shape: pw_dnn_convolution) -> DNNPlan? {
        let s = shape
        let key = Key(fields: [
            s.images, s.height, s.width, s.inputs, s.outputs, s.kernel_height, s.kernel_width, s.stride, s.top, s.left, s.bottom, s.right,
            Int64(s.has_bias), Int64(s.accumulates), Int64(s.type.rawValue),
        ])
        return convolutions.withLock { known in
            if let plan = known[key] { return plan }
            let plan = withUnsafePointer(to: shape) { pw_dnn_convolution_plan($0) }.map { DNNPlan(pointer: $0) }
            known[key] = .some(plan)
            return plan
        }
    }

    var implementation: String { String(cString: pw_dnn_implementation(pointer)) }

    func packsLike(_ other: DNNPlan) -> Bool { pw_dnn_same_packing(pointer, other.pointer) != 0 }

    /// The weight in this plan's own layout; the strides are those of oneDNN's order of dimensions.
    func pack(_ weight: Tensor, strides: [Int]) -> Storage {
        let packed = Storage(count: (pw_dnn_packed_bytes(pointer) + 3) / 4)
        let done = pw_dnn_pack(pointer, weight.pointer, strides.map(Int64.init), packed.pointer)
        precondition(done != 0, "oneDNN could not pack a weight of shape \(weight.shape) for \(implementation)")
        return packed
    }

    /// Runs on the calling thread.
    func execute(
        _ source: UnsafePointer<Float>, weight: Storage, bias: UnsafePointer<Float>?, into target: UnsafeMutablePointer<Float>
    ) {
        let bytes = pw_dnn_scratch_bytes(pointer)
        let room = bytes == 0 ? nil : scratch(7, (bytes + 3) / 4)
        precondition(pw_dnn_execute(pointer, source, weight.pointer, bias, target, room) != 0, "oneDNN failed in \(implementation)")
    }
}
