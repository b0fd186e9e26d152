// A client in Go as a user of the service writes it. test_clients.py builds and runs it beside the
// code that the one literal protoc line makes; both stand in the README.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "code-executor/proto"
)

func main() {
	address := "localhost:50051"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	client := pb.NewCodeExecutorClient(conn)
	resp, err := client.Execute(context.Background(), &pb.ExecuteRequest{
		Language:       "python",
		Code:           "print('Hello')",
		TimeoutSeconds: 30,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("Output: %s", resp.Stdout)
	fmt.Printf("Exit code: %d\n", resp.ExitCode)
}
