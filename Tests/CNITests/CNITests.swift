import Testing

@testable import CNI
