// SPDX-License-Identifier: Apache-2.0
import Foundation
import SwiftProtobuf
import WireMessages

/// One valid message of each kind, with every field set.
enum Samples {
    static let uuid = "6f1c2a34-0b5d-4e6f-8a9b-0c1d2e3f4a5b"
    static let digest = Data(0..<32)

    static var all: [WireKind: WireEnvelope] {
        Dictionary(uniqueKeysWithValues: WireKind.allCases.map { ($0, WireEnvelope(payload($0), requestID: 77)) })
    }

    static func payload(_ kind: WireKind) -> WireEnvelope.OneOf_Payload {
        switch kind {
        case .hello: .hello(hello)
        case .welcome: .welcome(welcome)
        case .denied: .denied(denied)
        case .heartbeat: .heartbeat(heartbeat)
        case .heartbeatReply: .heartbeatReply(WireHeartbeatReply())
        case .drain: .drain(.with { $0.reason = "maintenance" })
        case .goodbye: .goodbye(.with { $0.reason = "stopping" })
        case .join: .join(.with { ($0.publicKey, $0.name, $0.host) = (digest, "box-3", "box-3.example.org") })
        case .joined: .joined(.with { ($0.roles, $0.blobPort) = ([.worker, .client], 7401) })
        case .trainGrant: .trainGrant(trainGrant)
        case .sliceGrant: .sliceGrant(sliceGrant)
        case .pieceGrant: .pieceGrant(pieceGrant)
        case .briefRequest: .briefRequest(.with { $0.brief = digest })
        case .briefReply: .briefReply(brief)
        case .segmentResult: .segmentResult(result)
        case .sliceResult: .sliceResult(sliceResult)
        case .pieceResult: .pieceResult(.with { ($0.lease, $0.blob) = (lease(.encode, index: 2), blob) })
        case .resultAck: .resultAck(.with { ($0.lease, $0.verdict) = (lease(.train), .accepted) })
        case .leaseFailed:
            .leaseFailed(.with { ($0.lease, $0.kind, $0.message) = (lease(.train), .numeric, "loss is not finite at step 12") })
        case .failureAck: .failureAck(.with { $0.lease = lease(.evaluate, step: 10, index: 3) })
        case .cancelLease: .cancelLease(.with { ($0.lease, $0.reason) = (lease(.preview, step: 10), "the study was cancelled") })
        default: clientPayload(kind)
        }
    }

    // MARK: - Sessions

    static var hello: WireHello {
        .with {
            $0.protocolMajor = 2
            $0.role = .worker
            $0.workerID = uuid
            $0.name = "box-3"
            $0.host = "box-3.example.org"
            $0.pid = 4321
            $0.programVersion = "0.1.0"
            $0.cpu = "AMD EPYC 7B13, avx2"
            $0.threads = 8
            $0.memoryBytes = 32 << 30
            $0.numericsClass = "avx2-5f3a90c1"
        }
    }

    static var welcome: WireWelcome {
        .with {
            $0.version = WireVersion.current.message
            $0.programVersion = "0.1.0"
            $0.heartbeatIntervalMs = 1000
            $0.leaseTimeoutMs = 5000
            $0.session = "a1b2"
            $0.blobPort = 7401
            $0.roles = [.worker, .admin]
            $0.coordinatorRun = "0b5d4e6f"
        }
    }

    static var denied: WireDenied {
        .with { ($0.code, $0.reason, $0.supported) = (.version, "no common version", [WireVersion.current.message]) }
    }

    static var heartbeat: WireHeartbeat {
        .with {
            $0.session = "a1b2"
            $0.progress = [
                .with {
                    ($0.lease, $0.step, $0.stepsPerSecond) = (lease(.train), 12, 0.5)
                    ($0.loss, $0.evaluationLoss, $0.stalled) = (0.125, 0.25, true)
                },
                .with { ($0.lease, $0.preparing) = (lease(.encode, index: 1), "fetching 3 of 12 MiB") },
            ]
            $0.draining = true
        }
    }

    // MARK: - Work

    static func lease(_ kind: WireWorkKind, step: UInt32 = 0, index: UInt32 = 0) -> WireLease {
        .with {
            ($0.kind, $0.study, $0.trial, $0.step, $0.index) = (kind, 5, kind == .encode ? 0 : 3, step, index)
            $0.attempt = 1
        }
    }

    static var blob: WireBlobName { .with { ($0.digest, $0.bytes) = (digest, 4 << 30) } }

    static var vectors: WireVectors { WireVectors(count: 2, width: 3, values: [0, 0.5, -1, 2, 3, 4]) }

    static func state(step: UInt32, count: Int = 2, width: Int = 3) -> WireTrainingState {
        let values = (0..<count * width).map { Float($0) * 0.1 - 0.2 }
        let best = WireTrainingState.Best(vectors: values, step: min(step, 4), loss: 0.11)
        return WireTrainingState(
            count: count, width: width, step: step, embedding: values, expAvg: values, expAvgSq: values, initial: values, best: best)
    }

    static var trainGrant: WireTrainGrant {
        .with {
            ($0.lease, $0.brief, $0.fromStep, $0.toStep) = (lease(.train), digest, 10, 12)
            ($0.state, $0.deadlineMs) = (state(step: 10), 5000)
        }
    }

    static var sliceGrant: WireSliceGrant {
        .with {
            $0.leases = [lease(.gradient, step: 10, index: 4), lease(.gradient, step: 10, index: 7)]
            ($0.brief, $0.vectors, $0.deadlineMs) = (digest, vectors, 5000)
        }
    }

    static var pieceGrant: WirePieceGrant {
        .with { ($0.lease, $0.brief, $0.vectors, $0.deadlineMs) = (lease(.preview, step: 10), digest, vectors, 5000) }
    }

    static var brief: WireBriefReply {
        .with {
            ($0.brief, $0.studyJson, $0.manifestJson, $0.shards) = (digest, "{\n}", "{\"files\":[]}", [blob, blob])
            ($0.modelFolder, $0.blobFolder) = ("/models/sd15", "/home/a/blobs")
        }
    }

    static var result: WireSegmentResult {
        .with {
            $0.lease = lease(.train)
            $0.fromStep = 10
            $0.toStep = 12
            $0.after = state(step: 12)
            $0.history = [UInt32](11...12).map { step in
                .with { row in
                    (row.step, row.loss, row.learningRate) = (step, 0.5, 0.005)
                    (row.gradientNorm, row.embeddingNorm, row.seconds) = (0.1, 1.5, 0.25)
                }
            }
            $0.evaluations = [.with { ($0.step, $0.loss, $0.standardError) = (12, 0.3, 0.01) }]
            ($0.digest, $0.modelDigest, $0.dataDigest) = (digest, digest, digest)
            $0.finished = true
            $0.cpu = "avx2 f32"
        }
    }

    static var sliceResult: WireSliceResult {
        .with {
            ($0.lease, $0.losses) = (lease(.gradient, step: 10, index: 4), [0.5, 0.25])
            $0.gradient = FloatBytes.encode([1, 2, 3, 4, 5, 6])
            ($0.initial, $0.seconds, $0.cpu) = (vectors, 0.75, "avx2 f32")
            ($0.digest, $0.modelDigest, $0.dataDigest) = (digest, digest, digest)
        }
    }
}
